"""The notebooks: made from their sources, with outputs, small, each picture with its sentence, and still true."""

import base64
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
specification = importlib.util.spec_from_file_location("build_notebooks", FOLDER / "build.py")
build = importlib.util.module_from_spec(specification)
specification.loader.exec_module(build)

SOURCES = build.sources()
MISSING = [name for name in ("nbclient", "ipykernel", "numba") if importlib.util.find_spec(name) is None]

each = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


def cells_of(source):
    return json.loads(build.target(source).read_text("utf-8"))["cells"]


def said_in(output):
    """What an output says as text."""
    return "".join(output.get("text", "")) + "".join(output.get("data", {}).get("text/plain", ""))


def pictures(outputs):
    return [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def sentence_under(cells, k):
    """What stands under the last picture of cell k: what it prints, or else the emphasised line of the next cell."""
    outputs = cells[k]["outputs"]
    last = max(i for i, output in enumerate(outputs) if pictures([output]))
    printed = "".join(output["text"] for output in outputs[last + 1 :] if output["output_type"] == "stream")
    following = cells[k + 1]["source"] if k + 1 < len(cells) else ""
    return printed.strip() or following.split("\n\n")[0].strip()


def test_there_is_a_notebook_for_each_source_and_no_other():
    assert sorted(FOLDER.glob("*.ipynb")) == [build.target(source) for source in SOURCES]
    assert SOURCES


@each
def test_the_cells_are_those_of_the_source(source):
    kept = [{**cell, "outputs": []} if "outputs" in cell else cell for cell in cells_of(source)]
    assert kept == build.read(source)


@each
def test_it_has_outputs_and_no_error(source):
    outputs = [output for cell in cells_of(source) for output in cell.get("outputs", [])]
    assert outputs
    assert all(output["output_type"] in ("stream", "execute_result", "display_data") for output in outputs)
    assert not any(output.get("name") == "stderr" or "Traceback" in str(output.get("text")) for output in outputs)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("01", "[[1 1 2 0] [1 3 0 0] [2 0 0 3] [0 0 3 0]]"),  # note 001's map of image A
        ("01", "[[1, 1, 1, 1], [0, 1, 1, 2], [1, 1, 3, 0], [0, 2, 0, 0]]"),  # of image B
        ("02", "[[1, 1, 1], [1, 3, 0], [1, 0, 0]]"),  # stride 2, padding 1
        ("02", "[[1, 2, 0], [2, 0, 0], [0, 0, 1]]"),  # stride 2, "same"
        ("03", "largest [[3 2] [2 3]] smallest [[1 0] [0 0]]"),
        ("03", "7 5 5 8"),  # flatten, note 000
        ("04", "350,586,533"),
        ("04", "99.97"),
        ("04", "1,204,650"),
        ("04", "264,049"),
        ("04", "2,002,698"),
        ("04", "3,231,498"),
        ("04", "85,770"),
        ("04", "113,386"),
        ("04", "166,986"),
        ("04", "6,649,925"),
        ("05", "16 by 9 matrix"),  # im2col
        ("06", "[[6. 6. 5.] [6. 7. 7.] [4. 5. 7.]]"),  # the kernel's gradient, image A
        ("06", "[[5, 6, 5], [5, 6, 6], [4, 6, 7]]"),  # image B
        ("06", "[[1. 1. 3.] [1. 4. 0.] [3. 0. 1.]]"),  # through max pooling, image A
        ("06", "[[1, 1, 2], [1, 4, 0], [2, 0, 1]]"),  # image B
    ],
)
def test_the_golden_numbers_stand_in_their_notebook(name, numbers):
    """Among what is printed, or among what is asserted."""
    (source,) = build.sources(name)
    cells = cells_of(source)
    texts = [said_in(output) for cell in cells for output in cell.get("outputs", [])]
    texts += [line for cell in cells if "outputs" in cell for line in cell["source"].splitlines() if "assert" in line]
    assert numbers in " ".join(" ".join(texts).split())


@each
def test_it_is_small(source):
    assert build.target(source).stat().st_size < 1_000_000
    for picture in (picture for cell in cells_of(source) for picture in pictures(cell.get("outputs", []))):
        assert len(base64.b64decode(picture)) <= 80 * 1024


@each
def test_every_picture_has_its_sentence_under_it(source):
    cells = cells_of(source)
    for k, cell in enumerate(cells):
        if pictures(cell.get("outputs", [])):
            assert sentence_under(cells, k).rstrip("*").endswith("."), cell["source"]


@each
def test_nothing_needs_a_script_of_its_own(source):
    for output in (output for cell in cells_of(source) for output in cell.get("outputs", [])):
        kinds = set(output.get("data", {}))
        assert kinds <= {"text/plain", "text/html", "image/png"}
        assert "<script" not in "".join(output.get("data", {}).get("text/html", ""))


@each
def test_it_says_whom_it_is_for_asks_first_and_hides_its_answers(source):
    text = "\n".join(cell["source"] for cell in cells_of(source) if cell["cell_type"] == "markdown")
    for part in ("**Goal.**", "**You need.**", "redict", "## Exercises", "<details>", "slip"):
        assert part in text
    assert text.count("<details>") == text.count("</details>")


@each
def test_its_links_lead_somewhere(source):
    text = "\n".join(cell["source"] for cell in cells_of(source) if cell["cell_type"] == "markdown")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (FOLDER / link).exists(), link


@each
def test_nobody_sees_how_it_is_shortened(source):
    for cell in build.read(source):
        build.shortened(cell["source"], cell["metadata"].get("short", {}))  # each name is there, once
        assert "environ" not in cell["source"]
        assert cell["metadata"].keys() <= {"short", "tags"}


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@each
def test_a_new_kernel_without_network_says_the_same(source):
    command = [sys.executable, str(FOLDER / "build.py"), "--check", "--short", source.stem]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_source_becomes_cells(tmp_path):
    source = tmp_path / "00_example.py"
    source.write_text(
        '# %% [markdown]\n# # Title\n#\n# Text.\n\n# %% short={"N": 1} tags=["volatile"]\n# %time x\nN = 9\n'
    )
    text, code = build.read(source)
    assert (text["cell_type"], text["source"]) == ("markdown", "# Title\n\nText.")
    assert (code["source"], code["metadata"]) == ("%time x\nN = 9", {"short": {"N": 1}, "tags": ["volatile"]})
    assert build.shortened(code["source"], code["metadata"]["short"]) == "%time x\nN = 1"


def test_what_is_to_be_shortened_must_be_there():
    with pytest.raises(ValueError, match="one line that begins with 'EPOCHS ='"):
        build.shortened("epochs = 3", {"EPOCHS": 1})


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_notebook_that_asks_for_the_network_fails(tmp_path):
    source = tmp_path / "00_download.py"
    source.write_text('# %%\nimport urllib.request\n\nurllib.request.urlopen("http://127.0.0.1:9/")\n')
    program = f"import build, pathlib; build.run(build.read(pathlib.Path({str(source)!r})))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=FOLDER)
    assert ran.returncode
    assert "a notebook must do without the network" in ran.stderr
