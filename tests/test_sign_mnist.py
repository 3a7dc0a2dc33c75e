"""Sign Language MNIST: tables read row by row, and the two ways of numbering the letters."""

import gzip
import re
import tracemalloc

import numpy as np
import pytest
from data_files import HEADER, PIXELS, row, table, use_folders, write

from tinyconv.datasets import _csv, sign_mnist
from tinyconv.datasets._csv import read_image_table

WHOLE = table(row(0), row(24))


@pytest.fixture
def own(monkeypatch, tmp_path):
    return use_folders(monkeypatch, tmp_path) / "sign_mnist"


@pytest.fixture
def read(tmp_path):
    """Writes text to a table and reads it."""

    def reading(text, name="table.csv"):
        write(tmp_path, {name: text})
        return read_image_table(tmp_path / name, PIXELS)

    return reading


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_both_line_ends(read, end):
    pixels, labels = read(table(row(3, 0), row(4, 255), end=end))
    np.testing.assert_array_equal(labels, [3, 4])
    np.testing.assert_array_equal(pixels, np.repeat([[0], [255]], PIXELS, axis=1))


def test_last_line_end_may_be_missing(read):
    assert read(table(row(3), row(4)).rstrip())[1].tolist() == [3, 4]


def test_one_row_is_a_table(read):
    pixels, labels = read(table(row(3)))
    assert (pixels.shape, labels.shape) == ((1, PIXELS), (1,))


def test_pixels_are_row_by_row(own):
    counted = ",".join(["0", *(str(i % 256) for i in range(PIXELS))])
    write(own, {"sign_mnist_train.csv": table(counted), "sign_mnist_test.csv": WHOLE})
    (images, _), _ = sign_mnist.load_data()
    assert images[0, 2, 5] == 2 * 28 + 5


def test_packed_table_is_read(own):
    packed = gzip.compress(WHOLE.encode())
    write(own, {"sign_mnist_train.csv.gz": packed, "sign_mnist_test.csv.gz": packed})
    assert sign_mnist.load_data()[0][0].shape == (2, 28, 28)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    ("bad", "received"),
    [
        (row(5, n=PIXELS - 1), "784 numbers"),
        (row(5, n=PIXELS + 1), "786 numbers"),
        (row(5, 256), "'256' as number 2"),
        (row(5, -1), "'-1' as number 2"),
        (row(5, 1.5), "'1.5' as number 2"),
        (row(5, "x"), "'x' as number 2"),
        (row(5, ""), "'' as number 2"),
        (row("A"), "'A' as number 1"),
        (row(300), "'300' as number 1"),
        ("# a comment", "1 numbers"),
    ],
    ids=["short", "long", "256", "negative", "fraction", "word", "nothing", "letter", "label", "comment"],
)
def test_bad_row_is_named(read, tmp_path, bad, received, end):
    where = re.escape(str(tmp_path / "table.csv"))
    message = f"^table {where}: expected 785 whole numbers from 0 to 255.*Received {received} in row 3 [(]line 4[)]"
    with pytest.raises(ValueError, match=message):
        read(table(row(1), row(2), bad, row(3), end=end))


def test_first_row_may_be_the_bad_one(read):
    with pytest.raises(ValueError, match=r"Received 3 numbers in row 1 \(line 2\)"):
        read(table("1,2,3", "4,5,6"))


def test_empty_lines_count_as_lines_but_not_as_rows(read):
    with pytest.raises(ValueError, match=r"Received 2 numbers in row 2 \(line 5\)"):
        read(table(row(1), "", "", "1,2"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a header 'label' and 784 names of pixels. Received 1 names that start with ''"),
        (row(1) + "\n", "a header 'label'.* Received 785 names that start with '1'"),
        ("label,pixel1\n1,2\n", "a header 'label'.* Received 2 names that start with 'label'"),
        (HEADER + "\n", "at least one row after the header. Received none"),
    ],
    ids=["empty", "no header", "short header", "only a header"],
)
def test_table_without_head_or_body(read, text, message):
    with pytest.raises(ValueError, match=f"^table .*table.csv: expected {message}"):
        read(text)


def test_bytes_that_are_no_text(read):
    with pytest.raises(ValueError, match="in row 1"):
        read(table(row(1, "\xff\xfe")))


@pytest.mark.parametrize("raw", [gzip.compress(WHOLE.encode())[:-20], WHOLE.encode()], ids=["cut short", "not packed"])
def test_damaged_gzip_is_named(read, raw):
    with pytest.raises(ValueError, match=r"^table .*table.csv.gz: expected a whole file"):
        read(raw, "table.csv.gz")


def test_kaggle_labels_close_the_gap_at_j(own):
    codes = [*range(9), *range(10, 25)]
    write(own, {"sign_mnist_train.csv": table(*map(row, codes)), "sign_mnist_test.csv": table(row(10))})
    (_, y_train), (_, y_test) = sign_mnist.load_data()
    assert y_train.tolist() == list(range(24))
    assert sign_mnist.LETTERS[y_test[0]] == "K"


def test_course_labels_stay(own):
    write(own, {"sign_mnist_train.csv": table(*map(row, range(24))), "sign_mnist_valid.csv": table(row(9))})
    (_, y_train), (_, y_test) = sign_mnist.load_data()
    assert y_train.tolist() == list(range(24))
    assert sign_mnist.LETTERS[y_test[0]] == "K"


@pytest.mark.parametrize("label", [9, 25, 26, 255])
def test_kaggle_has_no_such_letter(own, label):
    write(own, {"sign_mnist_train.csv": table(row(1), row(label)), "sign_mnist_test.csv": WHOLE})
    with pytest.raises(ValueError, match=rf"train.csv: expected labels 0 to 24 without 9 .*label {label} in row 2"):
        sign_mnist.load_data()


def test_course_has_24_letters(own):
    write(own, {"sign_mnist_train.csv": WHOLE, "sign_mnist_valid.csv": WHOLE})
    with pytest.raises(ValueError, match=r"expected labels 0 to 23. Received label 24 in row 2.*do not mix them"):
        sign_mnist.load_data()


def test_missing_tables_say_what_to_put_where(own, tmp_path):
    write(own, {"sign_mnist_train.csv": WHOLE})
    cache = tmp_path / "cache" / "datasets" / "sign_mnist"
    message = f"sign_mnist_test.csv.*nothing of that in {own} or {cache}.*kaggle.com.*login.*glyphs needs no download"
    with pytest.raises(FileNotFoundError, match=message):
        sign_mnist.load_data()


def test_a_table_is_read_piece_by_piece(tmp_path):
    rows = [row(i, 10 + i) for i in range(7)]
    write(tmp_path, {"table.csv": table(*rows[:3], "", *rows[3:], "")})
    pieces = list(read_image_table(tmp_path / "table.csv", PIXELS, chunksize=3))
    assert [len(y) for _, y in pieces] == [3, 3, 1]
    whole = read_image_table(tmp_path / "table.csv", PIXELS)
    for part, together in zip(zip(*pieces, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(part), together)
    assert whole[1].tolist() == list(range(7))
    assert whole[0][:, -1].tolist() == list(range(10, 17))


def test_a_bad_row_in_a_later_piece_is_named_when_its_turn_comes(tmp_path):
    write(tmp_path, {"table.csv": table(row(1), row(2), row(3), "4,5")})
    pieces = read_image_table(str(tmp_path / "table.csv"), PIXELS, chunksize=2)
    assert next(pieces)[1].tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"Received 2 numbers in row 4 \(line 5\)"):
        next(pieces)


def test_a_table_of_many_pieces_is_one(read, monkeypatch):
    monkeypatch.setattr(_csv, "_AT_ONCE", 2 * PIXELS)
    pixels, labels = read(table(*(row(i, i) for i in range(5))))
    assert labels.tolist() == list(range(5))
    assert pixels[:, 0].tolist() == pixels[:, -1].tolist() == list(range(5))


def test_little_more_than_the_result_is_in_memory(read, tmp_path):
    content = table(*(row(i % 24, 200) for i in range(30_000)))
    write(tmp_path, {"table.csv": content})
    tracemalloc.start()
    try:
        pixels, _ = read_image_table(tmp_path / "table.csv", PIXELS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < pixels.nbytes + 2**24 < 2 * pixels.nbytes


@pytest.mark.parametrize(("name", "settings"), [("chunksize", {"chunksize": 0}), ("pixels", {"pixels": 0})])
def test_sizes_are_whole_numbers_from_1(tmp_path, name, settings):
    write(tmp_path, {"table.csv": WHOLE})
    with pytest.raises(ValueError, match=f"read_image_table: expected {name}"):
        read_image_table(tmp_path / "table.csv", **settings)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.csv: expected a file\. Received none"):
        read_image_table(tmp_path / "none.csv")
