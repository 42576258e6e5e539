"""Whatever names, inputs, outputs and errors hold, the page shows it as text, loads nothing and stays small."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from tests.report.conftest import change
from tests.report.parsed_page import Page
from weave_eval.cli.program import main

MARKUP = """</script></style></title></svg><img src=x onerror=alert(1)><b x-evil>"'`{{ 7 * 7 }}{% raw %}&lt;"""
TURNED = "\u202egnp.exe\u2066\u200f"
EMOJI = "🦜👩\u200d👩\u200d👧é"
_TAGS = """
html head meta title style body div header main section article footer nav p h1 h2 h3 h4 a ul li dl dt dd span bdi
strong details summary pre code table caption thead tbody tr th td figure figcaption fieldset legend label input br
svg g path rect line text circle
"""
TAGS = frozenset(_TAGS.split())
_ATTRIBUTES = """
lang charset http-equiv content name class id href rel target aria-label aria-labelledby aria-hidden role tabindex
scope dir hidden type checked viewbox preserveaspectratio x y x1 x2 y1 y2 cx cy r d width height transform fill stroke
stroke-width stroke-dasharray stroke-opacity fill-opacity opacity text-anchor font-size font-weight
"""
ATTRIBUTES = frozenset(_ATTRIBUTES.split())


def hostile(text: str) -> str:
    return f"{text}{MARKUP}{TURNED}{EMOJI}"


@pytest.fixture(scope="module")
def file(demo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the demo with hostile texts wherever Weave lets people write."""
    folder = tmp_path_factory.mktemp("hostile")
    fill(Path(shutil.copy(demo_file, folder)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["report", "--out", "report.html"]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def page(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def fill(demo: Path) -> None:
    error = json.dumps({"type": MARKUP, "message": hostile("broke "), "traceback": ["x" * 1_000_000]})
    inputs = json.dumps({f"field{MARKUP}": hostile("asks "), "long": "long " * 200_000, "list": [MARKUP, None, 1e300]})
    texts = (MARKUP + TURNED + EMOJI,)
    change(
        demo,
        [
            *(
                (f"UPDATE {table} SET {column} = {column} || ?", texts)
                for table, column in (
                    ("evaluation_runs", "model_name"),
                    ("evaluation_runs", "evaluation_name"),
                    ("evaluation_runs", "display_name"),
                    ("scores", "scorer_name"),
                    ("scores", "path"),
                    ("scorers", "object_id"),
                )
            ),
            ("UPDATE evaluation_runs SET url = 'javascript:alert(1)//' || ? WHERE model_name LIKE '%small%'", texts),
            ("UPDATE evaluation_runs SET url = 'https://wandb.ai/?q=' || ? WHERE model_name LIKE '%large%'", texts),
            ("UPDATE evaluation_runs SET error = ? WHERE status = 'failed'", (error,)),
            ("UPDATE trials SET error = ? WHERE is_error", (error,)),
            ("UPDATE trials SET output = ?", (json.dumps(hostile("answers ")),)),
            ("UPDATE dataset_rows SET inputs = ?", (inputs,)),
        ],
    )


def test_data_become_no_markup(page: Page) -> None:
    assert {element.tag for element in page.elements} <= TAGS
    assert {name for element in page.elements for name in element.attributes} <= ATTRIBUTES
    assert page.comments == []


def test_data_are_shown_as_they_are(page: Page) -> None:
    shown = page.text
    for text in (MARKUP[:40], EMOJI, "{{ 7 * 7 }}", "asks", "answers", "broke"):
        assert text in shown
    assert "49" not in {element.text for element in page.all("dd")}
    assert not set(TURNED) & set(shown) - set("gnp.exe")


def test_charts_hold_names_as_text(page: Page) -> None:
    titles = [title.text for svg in page.all("svg") for title in svg.below("title")]
    assert any("helpdesk-large</script>" in title for title in titles)


def test_only_addresses_of_the_web_are_links(page: Page) -> None:
    links = {link.attributes["href"] for link in page.all("a")}
    assert any(link.startswith("https://wandb.ai/?q=</script>") for link in links)
    assert all(re.match(r"#[a-z]+$|https?://", link) for link in links)


def test_long_texts_do_not_make_the_page_long(page: Page, file: Path) -> None:
    assert file.stat().st_size < 4_000_000
    assert re.search(r"\d+ texts are shortened to keep the page small", page.text)
    assert max(len(part) for element in page.elements for part in element.own_text if element.tag != "style") < 21_000


def test_page_loads_nothing(demo_html: str, demo_page: Page) -> None:
    assert {element.tag for element in demo_page.elements} <= TAGS
    loading = {"src", "srcset", "action", "formaction", "poster", "data", "background", "style", "ping", "xlink:href"}
    assert not {name for element in demo_page.elements for name in element.attributes} & loading
    assert [meta.attributes for meta in demo_page.all("meta")][1] == {
        "http-equiv": "Content-Security-Policy",
        "content": policy(demo_page),
    }
    style = "".join(demo_page.all("style")[0].own_text)
    assert "@import" not in style
    assert "url(" not in demo_html
    assert all(link.attributes["href"].startswith(("#", "http")) for link in demo_page.all("a"))


def policy(page: Page) -> str:
    """The policy that allows the page's own style sheet and nothing else."""
    (style,) = page.all("style")
    digest = base64.b64encode(hashlib.sha256("".join(style.own_text).encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_links_of_the_page_lead_somewhere(demo_page: Page) -> None:
    ids = [element.attributes["id"] for element in demo_page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    inner = {link.attributes["href"][1:] for link in demo_page.all("a") if link.attributes["href"].startswith("#")}
    assert inner <= set(ids)


def test_tables_have_headings(demo_page: Page) -> None:
    for table in demo_page.all("table"):
        assert all(cell.attributes.get("scope") == "col" for head in table.below("thead") for cell in head.below("th"))
        assert all(cell.attributes.get("scope") == "row" for body in table.below("tbody") for cell in body.below("th"))
    levels = [int(element.tag[1]) for element in demo_page.elements if re.fullmatch(r"h[1-5]", element.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def colours(style: str, mark: str) -> dict[str, str]:
    block = style[style.index(mark) :]
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block[: block.index("}")]))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours by WCAG 2.2."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [":root {", ":root:has(#theme-dark:checked) {", ":root:not(:has(#theme-light"])
def test_contrast_in_both_themes(demo_page: Page, theme: str) -> None:
    found = colours("".join(demo_page.all("style")[0].own_text), theme)
    texts = [(name, back) for name in ("ink", "muted", "accent") for back in ("page", "card", "raised")]
    texts += [(name, f"{name}-back") for name in ("bad", "warn", "good", "note")] + [("ink", "warn-back")]
    weak = [pair for pair in texts if contrast(found[pair[0]], found[pair[1]]) < 4.5]
    assert weak == []
    shapes = [f"c{place}" for place in range(6)]
    assert [name for name in shapes if contrast(found[name], found["card"]) < 3] == []
