"""The command line: reads it, calls what does the work, and turns errors into one line.

Every subcommand's ``--help`` ends with an example. With ``TINYCONV_DEBUG=1`` in the environment errors keep their
traceback.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tinyconv
from tinyconv import notes, utils
from tinyconv.commands.explain import KERNELS, TOPICS, Request, explain_on_the_command_line, inspect
from tinyconv.commands.gradcheck import check_all
from tinyconv.commands.predict import predict
from tinyconv.commands.reproduce import reproduce_note
from tinyconv.commands.train import DATA, Settings, train
from tinyconv.models import load_model
from tinyconv.presets import PRESETS

#: What a user's mistake may raise; anything else is a mistake of tinyconv's and keeps its traceback.
_ERRORS = (ValueError, TypeError, RuntimeError, OSError, MemoryError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``tinyconv`` with these arguments, or with those of the process; returns the exit code.

    0 is success, 1 a number or gradient that differs, 2 an error, 130 an interruption by Ctrl-C.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\ntinyconv: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _ERRORS as error:
        if os.environ.get("TINYCONV_DEBUG", "0") not in ("", "0"):
            raise
        print(f"tinyconv: error: {_one_line(error)}", file=sys.stderr)
        return 2


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def make_parser() -> argparse.ArgumentParser:
    """Everything the command line understands."""
    parser = argparse.ArgumentParser("tinyconv", description="Convolutional networks that a person can read.")
    parser.add_argument("--version", action="version", version=f"tinyconv {tinyconv.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (run, text, examples, add_options) in COMMANDS.items():
        epilog = "\n".join(["examples:" if len(examples) > 1 else "example:", *(f"  {line}" for line in examples)])
        form = argparse.RawDescriptionHelpFormatter
        command = commands.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=form)
        command.set_defaults(run=run)
        add_options(command)
    return parser


def _reproduce_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "note",
        nargs="?",
        choices=notes.NOTES,
        help="run the program of this note; without it, compare what needs no data",
    )
    add("--quick", action="store_true", help="only on a small part of the data, and two epochs: in seconds")
    add("--seed", type=_natural, metavar="N", help="of weights, order and dropout (the note's, or 0)")
    add("--out", metavar="DIR", help="new folder for the results (runs/note004-1, -2, ...)")


def _no_options(parser: argparse.ArgumentParser) -> None:
    pass


def _train_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data", choices=DATA, help="what to learn (glyphs, which needs no download)")
    defaults = ", ".join(f"{data.network} for {name}" for name, data in DATA.items())
    add("--model", metavar="NAME", help=f"one of {', '.join(notes.NETWORKS)} ({defaults})")
    epochs = ", ".join(f"{data.epochs} for {name}" for name, data in DATA.items())
    add("--preset", choices=PRESETS, help="a recipe that reaches more than the notes, in place of --data and --model")
    add("--epochs", type=_positive, metavar="N", help=f"how often to go over the data ({epochs}, or the preset's)")
    add("--batch-size", type=_positive, metavar="N", help="images in a step (32, or the preset's)")
    add("--optimizer", metavar="NAME", help="sgd, rmsprop, adam, adamw or adagrad (the note's)")
    add("--lr", type=float, metavar="RATE", help="learning rate to begin with (the optimizer's)")
    text = "whether the learning rate falls to 0, or stays as in the notes (cosine)"
    add("--schedule", choices=("cosine", "constant"), default="cosine", help=text)
    add("--seed", type=_natural, default=0, metavar="N", help="of weights, order and dropout (0)")
    add("--out", metavar="DIR", help="new folder for the results (runs/DATA-MODEL-1, -2, ...)")
    add("--limit", type=_positive, metavar="N", help="use only the first N images of each part, to try things out")


def _predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .keras or .h5 file")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files of any kind that Pillow reads")
    text = "exchange light and dark (where the ground is light and the network learned on a dark one)"
    parser.add_argument("--invert", action=argparse.BooleanOptionalAction, help=text)


def _summary_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=f"a .keras or .h5 file, or one of {', '.join(notes.NETWORKS)}")
    parser.add_argument("--formulas", action="store_true", help="add what each layer computes and needs")


def _explain_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", nargs="?", choices=TOPICS, help="what to explain; without it, --html writes a page to play with")
    add("--image", metavar="X", help="A or B of course note 001, rows as '1 0 / 0 1', or a file (A); size: or 28x28")
    add("--kernel", metavar="K", help=f"one of {', '.join(KERNELS)}, rows as '1 0 / 0 1', or a file (note)")
    add("--bias", type=float, metavar="B", help="added to every sum (0)")
    add("--strides", type=_whole_numbers, metavar="S", help="how far the window moves: 2, or 2,1 (1)")
    add("--padding", type=_padding, metavar="P", help="valid, same, pixels on every side, or top,bottom,left,right")
    add("--dilation", type=_whole_numbers, metavar="D", help="distance of the window's cells (1)")
    add("--activation", metavar="NAME", help="what bends the sums, such as relu")
    add("--turned", action="store_true", help="turn the kernel by 180 degrees first: convolution in the strict sense")
    add("--row", type=int, metavar="I", help="row of the cell, pixel or weight, from 0")
    add("--column", type=int, metavar="J", help="column of the cell, pixel or weight, from 0")
    add("--pool-size", type=_whole_numbers, metavar="N", help="cells of the pooling window (2)")
    add("--mode", choices=("max", "min", "average"), help="of the pooling (max); backward: goes through it too")
    add("--model", metavar="FILE", help="a .keras or .h5 file, for network, filter and receptive-field")
    add("--output", type=int, metavar="N", help="output of the network to begin at (the most probable)")
    add("--against", type=int, metavar="N", help="network: why that output, and not this one?")
    add("--filter", type=int, metavar="N", help="filter: its number, from 0 (0)")
    add("--layer", metavar="NAME", help="filter: the convolution it belongs to (the first)")
    for kind, text in (("gif", "animation"), ("png", "figure"), ("html", "page")):
        add(f"--{kind}", metavar="FILE", help=f"write the {text} too")


def _inspect_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .keras or .h5 file")
    parser.add_argument("image", metavar="IMAGE", help="an image file of any kind that Pillow reads")
    parser.add_argument("--out", metavar="FILE", help="the picture (IMAGE-seen.png)")


def _whole_numbers(text: str) -> int | tuple[int, ...]:
    """One whole number, or several with commas."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers such as 2 or 2,1, received {text!r}") from None
    return found[0] if len(found) == 1 else found


def _padding(text: str) -> Any:
    """A word, one number, two, or four as ((top, bottom), (left, right))."""
    if text in ("valid", "same"):
        return text
    found = _whole_numbers(text)
    return (found[:2], found[2:]) if isinstance(found, tuple) and len(found) == 4 else found


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, received {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, received {text!r}")
    return int(text)


# The commands


def _train(options: argparse.Namespace) -> int:
    train(Settings(**{key: value for key, value in vars(options).items() if key != "run"}))
    return 0


def _predict(options: argparse.Namespace) -> int:
    predict(options.model, options.images, options.invert)
    return 0


def _explain(options: argparse.Namespace) -> int:
    explain_on_the_command_line(Request(**{key: value for key, value in vars(options).items() if key != "run"}))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    inspect(options.model, options.image, options.out)
    return 0


def _summary(options: argparse.Namespace) -> int:
    is_file = options.model.endswith((".keras", ".h5")) or Path(options.model).exists()
    model = load_model(options.model) if is_file else notes.network(options.model)
    model.summary(formulas=options.formulas)
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    if options.note is not None:
        reproduce_note(options.note, options.out, options.quick, options.seed)
        return 0
    rows = notes.reproduce()
    print(notes.table(rows))
    return 0 if all(row.ok for row in rows) else 1


def _gradcheck(options: argparse.Namespace) -> int:
    utils.set_random_seed(0)
    return 0 if check_all() else 1


#: By name: what runs, what it does in words, examples, and what adds its options.
COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str, Sequence[str], Callable[..., None]]] = {
    "train": (
        _train,
        "train a network on a data set, and write the model, its curves and its mistakes to a folder",
        [
            "tinyconv train",
            "tinyconv train --data mnist --epochs 1",
            "tinyconv train --preset mnist",
            "tinyconv train --data sign-digits --model note002 --schedule constant --batch-size 128 --epochs 20",
        ],
        _train_options,
    ),
    "predict": (
        _predict,
        "say what a trained network sees in image files",
        ["tinyconv predict runs/glyphs-note004-1/model.keras data/glyphs/*.png"],
        _predict_options,
    ),
    "explain": (
        _explain,
        "write out where each number of a convolution, a pooling, a gradient or a prediction comes from",
        [
            "tinyconv explain conv",
            "tinyconv explain conv --row 1 --column 1 --png cell.png",
            "tinyconv explain conv --kernel sobel --strides 2 --padding same --gif conv.gif",
            "tinyconv explain backward --mode max",
            "tinyconv explain backward --row 0 --column 2",
            "tinyconv explain size --image 28x28 --kernel 3x3 --strides 2 --padding same",
            "tinyconv explain network --model runs/glyphs-note004-1/model.keras --image data/glyphs/7.png --against 1",
            "tinyconv explain filter --model runs/glyphs-note004-1/model.keras --image data/glyphs --filter 7",
            "tinyconv explain --html page.html",
        ],
        _explain_options,
    ),
    "inspect": (
        _inspect,
        "say what a trained network sees in an image, and draw what its layers make of it",
        ["tinyconv inspect runs/glyphs-note004-1/model.keras data/glyphs/7.png"],
        _inspect_options,
    ),
    "summary": (
        _summary,
        "print the layers of a network, their shapes and parameters",
        ["tinyconv summary note001 --formulas", "tinyconv summary runs/glyphs-note004-1/model.keras"],
        _summary_options,
    ),
    "reproduce": (
        _reproduce,
        "compare what the course notes print with what is computed here, or run a note's program on its data",
        ["tinyconv reproduce", "tinyconv reproduce 004 --quick", "tinyconv reproduce 000"],
        _reproduce_options,
    ),
    "gradcheck": (
        _gradcheck,
        "check the gradient of every layer, and of a network, by difference quotients",
        ["tinyconv gradcheck"],
        _no_options,
    ),
}
