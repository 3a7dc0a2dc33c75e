"""Make the notebooks from their sources: notebooks/src/NN_name.py, run, becomes notebooks/NN_name.ipynb.

    python notebooks/build.py                    every notebook, run from its beginning
    python notebooks/build.py 01 05              these
    python notebooks/build.py --check --short    write nothing; do they still run, and say the same?

A source is a Python file in percent format: "# %%" begins a cell, "# %% [markdown]" a cell of text, whose lines are
comments. Behind "# %%" a cell may say more about itself, as JSON:

    # %% tags=["volatile"]        what it prints differs from run to run: times
    # %% short={"EPOCHS": 1}      in a short run its line "EPOCHS = 5" says 1

The kernel has no network. What differs from run to run without saying anything, such as numbers of executions, is left
out of the file. Needs the extra "notebooks".
"""

import argparse
import base64
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: Run before the first cell. The kernel's own messages do not pass through Python's sockets.
OFFLINE = """
import socket
def _refuse(*args, **kwargs):
    raise OSError("a notebook must do without the network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = _refuse
"""
#: What a kernel says on stderr while it compiles, once on each machine.
COMPILING = "tinyconv compiles"


def sources(*names: str) -> list[Path]:
    """The sources whose names begin like this; all, if none is given."""
    return [path for path in sorted((HERE / "src").glob("[0-9]*.py")) if not names or path.stem.startswith(names)]


def target(source: Path) -> Path:
    """The notebook of a source."""
    return HERE / f"{source.stem}.ipynb"


def read(source: Path) -> list[dict[str, Any]]:
    """The cells of a source as a notebook has them, not yet run."""
    cells: list[dict[str, Any]] = []
    for part in re.split(r"^# %%", source.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        said = re.findall(r"(\w+)=(\[.*?\]|\{.*?\})", head)
        cell: dict[str, Any] = {"id": f"cell-{len(cells) + 1:02}", "metadata": {k: json.loads(v) for k, v in said}}
        if "[markdown]" in head:
            text = re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
            cell |= {"cell_type": "markdown", "source": text}
        else:
            code = re.sub(r"^# (%\w+)", r"\1", body.strip(), flags=re.MULTILINE)  # %matplotlib inline
            cell |= {"cell_type": "code", "execution_count": None, "outputs": [], "source": code}
        cells.append(cell)
    return cells


def shortened(code: str, values: dict[str, Any]) -> str:
    """The code with other values behind "NAME =".

    Raises:
        ValueError: if a name is not given a value at the beginning of exactly one line.
    """
    for name, value in values.items():
        code, found = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", code, flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"A cell to be shortened should have one line that begins with '{name} =', not {found}.")
    return code


def run(cells: list[dict[str, Any]], short: bool = False) -> dict[str, Any]:
    """The notebook with its outputs, from a new kernel without network; an error in a cell is an error here."""
    import nbformat
    from nbclient import NotebookClient

    code = [dict(cell) for cell in cells]
    for cell in code if short else ():
        cell["source"] = shortened(cell["source"], cell["metadata"].get("short", {}))
    first: dict[str, Any] = {"id": "offline", "cell_type": "code", "metadata": {}, "execution_count": None}
    metadata: dict[str, Any] = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    cells_to_run = [{**first, "outputs": [], "source": OFFLINE}, *code]
    book = nbformat.from_dict({"cells": cells_to_run, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
    place = {"metadata": {"path": str(HERE)}}
    client = NotebookClient(book, timeout=300, kernel_name="python3", record_timing=False, resources=place)
    client.extra_arguments = ["--log-level=ERROR"]
    client.execute()
    done = [
        {**cell, **({"outputs": [*map(dict, _lasting(ran["outputs"]))]} if "outputs" in ran else {})}
        for cell, ran in zip(cells, book["cells"][1:], strict=True)
    ]
    metadata["language_info"] = {"name": "python"}
    return {"cells": done, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _lasting(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs without what differs from run to run, a text in pieces as one.

    Raises:
        ValueError: for a warning, which no notebook should show.
    """
    kept: list[dict[str, Any]] = []
    for output in outputs:
        if output.get("name") == "stderr":
            if not all(line.startswith(COMPILING) for line in re.split(r"[\r\n]+", output["text"]) if line.strip()):
                raise ValueError(f"A cell says on stderr: {output['text']}")
        elif kept and output.get("name") == kept[-1].get("name") == "stdout":
            kept[-1]["text"] += output["text"]
        else:
            kept.append({**_packed(output), **({"execution_count": None} if "execution_count" in output else {})})
    return kept


def _packed(output: dict[str, Any]) -> dict[str, Any]:
    """The output; a picture in it without what Matplotlib says about itself, and as small as it gets without loss."""
    from PIL import Image

    data = dict(output.get("data", {}))
    if "image/png" not in data:
        return dict(output)
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
        solid = picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] == 255
        opaque = picture.convert("RGB") if solid else picture
        opaque.info.clear()
        opaque.save(smaller, "PNG", optimize=True)
    return {**output, "data": {**data, "image/png": base64.b64encode(smaller.getvalue()).decode()}}


def said(book: dict[str, Any]) -> list[str]:
    """What the cells print that print the same in every run."""
    steady = [c for c in book["cells"] if c["cell_type"] == "code" and "volatile" not in c["metadata"].get("tags", [])]
    return ["".join(o["text"]) for cell in steady for o in cell["outputs"] if o["output_type"] == "stream"]


def differences(source: Path, short: bool = False) -> list[str]:
    """Run a source, and compare with its notebook what it prints: lines that are not the same.

    A short run of a notebook that is shortened prints other numbers; there only the running counts.
    """
    cells = read(source)
    book = run(cells, short)
    if short and any("short" in cell["metadata"] for cell in cells):
        return []
    old, new = (
        "".join(texts).splitlines() for texts in (said(json.loads(target(source).read_text("utf-8"))), said(book))
    )
    return [f"{a!r} is now {b!r}" for a, b in zip(old, new) if a != b] + ["lines"] * (len(old) != len(new))


def main() -> None:
    """The command line."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="how the notebooks' names begin; all, if none is given")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with the notebooks as they are")
    parser.add_argument("--short", action="store_true", help="with --check: a short run")
    chosen = parser.parse_args()
    failed = False
    for source in sources(*chosen.names):
        if chosen.check:
            found = differences(source, chosen.short)
            failed = failed or bool(found)
            print(f"{source.stem}: {'; '.join(found) or 'as it was'}")
        else:
            text = json.dumps(run(read(source)), indent=1, ensure_ascii=False, sort_keys=True)
            target(source).write_text(text + "\n", encoding="utf-8")
            print(f"{target(source).name}: {len(text) / 1024:.0f} KB")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
