"""`python -m weave_eval.warehouse.views.compiling`: writes `views.json` anew, after a view was changed."""

from ..model import COMPILED
from .compiled_views import compiled_text

if __name__ == "__main__":
    COMPILED.write_text(compiled_text(), encoding="utf-8")
