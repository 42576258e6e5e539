"""`python -m tests.weave_server '{"quirks": true}'` serves with these settings; prints `{"port": ...}`."""

import json
import sys

from tests.weave_server import shims


def main() -> None:
    shims.install()
    from tests.weave_server.server import run

    run(json.loads(sys.argv[1]) if sys.argv[1:] else {})


if __name__ == "__main__":
    main()
