"""Folders of images: what is found in which order, and dividing them into parts without losing a file."""

import os
import re
import warnings
import zipfile

import numpy as np
import pytest
from data_files import picture, write, zipped
from oracle import load_keras

from tinyconv.preprocessing import list_images, split_folders
from tinyconv.preprocessing.split import shuffled

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")

#: Names whose order is not the same under every reasonable way of sorting.
TREE = {
    f"{name}.{ending}": b""
    for name, ending in [
        ("tulip/b", "png"),
        ("tulip/B", "PNG"),
        ("tulip/a 1", "jpg"),
        ("tulip/a10", "jpeg"),
        ("tulip/a2", "gif"),
        ("tulip/x/1", "png"),
        ("tulip/x/y/1", "png"),
        ("tulip/x-/1", "png"),
        ("tulip/x.y/1", "png"),
        ("tulip/X/ü", "bmp"),
        ("Rose/2", "png"),
        ("Rose/1", "JpG"),
        ("daisy 2/1", "png"),
        ("daisy/1", "png"),
    ]
}
OTHERS = {"tulip/notes.txt": b"", "tulip/apng": b"", "LICENSE.txt": b"", "above.png": b""}


@pytest.fixture
def tree(tmp_path):
    write(tmp_path / "photos", TREE | OTHERS)
    return tmp_path / "photos"


# Listing


def test_classes_and_files_are_sorted(tree):
    found = list_images(tree)
    assert found.class_names == ["Rose", "daisy", "daisy 2", "tulip"]
    assert found.files == [
        "Rose/1.JpG",
        "Rose/2.png",
        "daisy/1.png",
        "daisy 2/1.png",
        "tulip/B.PNG",
        "tulip/a 1.jpg",
        "tulip/a10.jpeg",
        "tulip/a2.gif",
        "tulip/b.png",
        "tulip/X/ü.bmp",
        "tulip/x/1.png",
        "tulip/x-/1.png",
        "tulip/x.y/1.png",
        "tulip/x/y/1.png",
    ]
    assert found.labels == [0, 0, 1, 2] + [3] * 10
    assert found.counts == {"Rose": 2, "daisy": 1, "daisy 2": 1, "tulip": 10}
    assert [path.is_file() for path in found.paths] == [True] * 14


def test_classes_in_an_order_of_ones_own(tree):
    found = list_images(tree, class_names=("tulip", "Rose"))
    assert (found.class_names, found.labels) == (["tulip", "Rose"], [0] * 10 + [1] * 2)
    assert found.files[-1] == "Rose/2.png"


def test_without_labels_everything_below_counts(tree):
    found = list_images(tree, labelled=False)
    assert found.files[0] == "above.png"
    assert len(found.files) == 15
    assert (found.labels, found.class_names) == ([], [])


def test_other_endings(tree):
    assert list_images(tree / "tulip", endings=(".TXT",), labelled=False).files == ["notes.txt"]


def test_hidden_files_and_folders_are_left_out(tree):
    expected = list_images(tree)
    hidden = (".git/1.png", "tulip/.ipynb_checkpoints/b-checkpoint.png", "tulip/._b.png", "__MACOSX/tulip/1.png")
    write(tree, dict.fromkeys(hidden, b""))
    assert list_images(tree) == expected


def test_folders_inside_a_zip_file(tmp_path):
    write(tmp_path, {"a.zip": zipped({f"photos/{name}": b"" for name in TREE})})
    write(tmp_path / "photos", TREE)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert list_images(zipfile.Path(archive, "photos/")).files == list_images(tmp_path / "photos").files


def test_links_are_followed_if_asked(tree, tmp_path):
    write(tmp_path / "elsewhere", {"1.png": b"", "2.png": b""})
    (tree / "tulip" / "link").symlink_to(tmp_path / "elsewhere")
    (tree / "viola").symlink_to(tmp_path / "elsewhere")  # a class folder may be a link in any case
    assert list_images(tree).counts["tulip"] == 10
    assert list_images(tree).counts["viola"] == 2
    assert list_images(tree, follow_links=True).counts["tulip"] == 12


def test_links_in_a_circle_end(tree):
    (tree / "tulip" / "x" / "again").symlink_to(tree / "tulip")
    assert list_images(tree, follow_links=True) == list_images(tree)


def test_class_without_images(tree):
    write(tree, {"viola/notes.txt": b""})
    with pytest.warns(UserWarning, match=r"photos/viola: a class without images \(.bmp, .gif"):
        found = list_images(tree)
    assert found.class_names[-1] == "viola"
    assert found.counts["viola"] == 0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["tulip", "roses"],
            r"class_names among the folders 'Rose', .*'tulip'. Received 'roses'. Did you mean 'Rose'\?",
        ),
        (["tulip", ""], "class_names among the folders .* Received ''"),
        (["tulip", "tulip"], "different class names"),
        ([], "different class names, one or more"),
    ],
)
def test_class_names_that_are_no_folders(tree, names, message):
    with pytest.raises(ValueError, match=message):
        list_images(tree, class_names=names)


def test_no_images(tmp_path):
    write(tmp_path, {"a/notes.txt": b"", "b/notes.txt": b""})
    message = re.escape(f"folder {tmp_path}: expected images (.bmp, .gif, .jpeg, .jpg, .png) in folders, one per class")
    with pytest.raises(ValueError, match=f"^{message}. Received none"):
        list_images(tmp_path)
    with pytest.raises(ValueError, match=r"in it or below\. Received none"):
        list_images(tmp_path, labelled=False)


def test_no_class_folders(tmp_path):
    write(tmp_path, {"1.png": b""})
    with pytest.raises(ValueError, match=r"in folders, one per class. Received no folders. .*labelled=False"):
        list_images(tmp_path)


def test_no_such_folder(tree):
    with pytest.raises(FileNotFoundError, match=r"^folder .*nowhere: expected a folder that exists"):
        list_images(tree / "nowhere")
    with pytest.raises(NotADirectoryError, match=r"^folder .*above.png: expected a folder. Received a file"):
        list_images(tree / "above.png")


def test_folder_that_may_not_be_read(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if path.name == "x":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(PermissionError, match=r"^folder .*tulip/x: expected a folder that this user may read"):
        list_images(tree)


@pytest.mark.oracle
@pytest.mark.parametrize("follow_links", [False, True])
def test_order_is_that_of_keras(tree, tmp_path, follow_links):
    load_keras()
    from keras.src.legacy.preprocessing.image import _list_valid_filenames_in_directory
    from keras.src.utils.dataset_utils import index_directory

    write(tmp_path / "elsewhere", {"1.png": b"", "x/2.png": b""})
    (tree / "tulip" / "link").symlink_to(tmp_path / "elsewhere")
    found = list_images(tree, follow_links=follow_links)
    paths, labels, names = index_directory(
        str(tree), "inferred", FORMATS, seed=5, follow_links=follow_links, verbose=False
    )
    assert [str(path) for path in shuffled(found.paths, 5)] == paths
    assert shuffled(found.labels, 5) == labels.tolist()
    assert found.class_names == names
    older = [
        _list_valid_filenames_in_directory(str(tree / name), FORMATS, None, {name: 0}, follow_links)[1]
        for name in names
    ]
    assert found.files == [file for files in older for file in files]
    paths, _, _ = index_directory(str(tree), None, FORMATS, seed=5, follow_links=follow_links, verbose=False)
    everything = list_images(tree, follow_links=follow_links, labelled=False)
    assert [str(path) for path in shuffled(everything.paths, 5)] == paths


# Dividing


@pytest.fixture
def photos(tmp_path):
    """20 images of daisies and 10 of tulips, all different, one of them in a folder of its own."""
    names = [f"daisy/{i}.png" for i in range(20)] + [f"tulip/{i}.png" for i in range(9)] + ["tulip/red/0.png"]
    write(tmp_path / "photos", {name: picture(colour=(i, 0, 0)) for i, name in enumerate(names)})
    write(tmp_path / "photos", {"daisy/notes.txt": "not an image"})
    return tmp_path / "photos"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_image_lands_in_one_part(photos, tmp_path, capsys):
    before = contents(photos)
    parts = split_folders(photos, tmp_path / "split")
    assert {name: part.counts for name, part in parts.items()} == {
        "train": {"daisy": 16, "tulip": 8},
        "validation": {"daisy": 2, "tulip": 1},
        "test": {"daisy": 2, "tulip": 1},
    }
    together = {}
    for part in parts.values():
        found = contents(part.root)
        assert not together.keys() & found.keys()
        assert set(part.files) == found.keys()
        together |= found
    assert together == {name: raw for name, raw in before.items() if name.endswith("png")}
    assert contents(photos) == before
    assert capsys.readouterr().out.splitlines() == [
        f"{name}: {n} images of 2 classes in {tmp_path / 'split' / name}"
        for name, n in [("train", 24), ("validation", 3), ("test", 3)]
    ]


def test_what_is_returned_is_what_a_listing_finds(photos, tmp_path):
    for part in split_folders(photos, tmp_path / "split", (0.5, 0.3, 0.2)).values():
        assert list_images(part.root) == part


def test_the_seed_decides(photos, tmp_path):
    def train(folder, seed):
        return split_folders(photos, tmp_path / folder, seed=seed)["train"].files

    assert train("a", 1) == train("b", 1) != train("c", 2)


def test_other_classes_do_not_matter(photos, tmp_path):
    both = split_folders(photos, tmp_path / "both")["test"].files
    alone = split_folders(photos, tmp_path / "alone", class_names=["tulip"])["test"].files
    assert alone == [file for file in both if file.startswith("tulip")]


def test_ratios_that_are_nearly_1_and_parts_that_are_empty(photos, tmp_path):
    assert sum((0.7, 0.2, 0.1)) != 1
    assert split_folders(photos, tmp_path / "a", (0.7, 0.2, 0.1))["train"].counts == {"daisy": 14, "tulip": 7}
    assert split_folders(photos, tmp_path / "b", (0.75, 0, 0.25)).keys() == {"train", "test"}
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"train", "test"}
    two = split_folders(photos, tmp_path / "c", (0.8, 0.2), names=("train", "test"))
    assert [len(part.files) for part in two.values()] == [24, 6]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratio": (0.8, 0.1, 0.2)}, r"together 1, as ratio. Received \(0.8, 0.1, 0.2\), together 1.1"),
        ({"ratio": (1.2, -0.1, -0.1)}, "fractions from 0 to 1, together 1"),
        ({"ratio": (np.nan, 0.5, 0.5)}, "fractions from 0 to 1, together 1"),
        ({"ratio": (0.8, 0.2)}, r"as many numbers in ratio as names.* ratio=\(0.8, 0.2\), names=\('train', "),
        ({"names": ("a", "a", "b")}, "different names of folders"),
        ({"names": ("a", "../b", "c")}, "different names of folders"),
        ({"link": "soft"}, "link=None, 'hard' or 'symbolic'. Received link='soft'"),
    ],
)
def test_wrong_settings_leave_nothing_behind(photos, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        split_folders(photos, tmp_path / "split", **settings)
    assert not (tmp_path / "split").exists()


@pytest.mark.parametrize("inside", ["", "train", "daisy/new"])
def test_destination_inside_the_source(photos, inside):
    before = contents(photos)
    with pytest.raises(ValueError, match=r"a destination outside .*photos.*photos_split"):
        split_folders(photos, photos / inside)
    assert contents(photos) == before


def test_source_inside_a_part(photos, tmp_path):
    with pytest.raises(ValueError, match=r"a source that lies in none of the parts. Received .*photos, which is in"):
        split_folders(photos, tmp_path, names=("photos", "b", "c"))


def test_nothing_is_done_where_other_files_are(photos, tmp_path):
    write(tmp_path / "split", {"test/daisy/mine.png": b"mine", "notes.txt": b"no part: left alone"})
    before = contents(tmp_path)
    message = r"no files in the parts but those of the same split. Received .*mine.png. Name another .* Nothing was"
    with pytest.raises(FileExistsError, match=message):
        split_folders(photos, tmp_path / "split")
    assert contents(tmp_path) == before
    (tmp_path / "split/test/daisy/mine.png").unlink()
    split_folders(photos, tmp_path / "split")
    assert (tmp_path / "split/notes.txt").exists()


def test_another_split_is_not_mixed_in(photos, tmp_path):
    split_folders(photos, tmp_path / "split", seed=1)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=r"and \d+ more"):
        split_folders(photos, tmp_path / "split", seed=2)
    assert contents(tmp_path) == before


def test_a_file_that_was_changed_is_not_overwritten(photos, tmp_path):
    file = split_folders(photos, tmp_path / "split")["train"].paths[3]
    file.write_bytes(b"changed")
    with pytest.raises(FileExistsError, match=re.escape(str(file))):
        split_folders(photos, tmp_path / "split")
    assert file.read_bytes() == b"changed"


@pytest.mark.parametrize("place", ["train", "train/daisy"])
def test_a_folder_that_is_a_link_is_not_written_through(photos, tmp_path, place):
    (tmp_path / "other").mkdir()
    (tmp_path / "split" / place).parent.mkdir(parents=True)
    (tmp_path / "split" / place).symlink_to(tmp_path / "other")
    with pytest.raises(FileExistsError, match=f"Received .*split/{place}"):
        split_folders(photos, tmp_path / "split")
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("link", [None, "hard", "symbolic"])
def test_running_it_again_changes_nothing(photos, tmp_path, link, capsys):
    first = split_folders(photos, tmp_path / "split", link=link)
    stamps = {path: path.lstat().st_mtime_ns for path in (tmp_path / "split").rglob("*.png")}
    assert split_folders(photos, tmp_path / "split", link=link) == first
    assert {path: path.lstat().st_mtime_ns for path in (tmp_path / "split").rglob("*.png")} == stamps
    assert "train: 24 images of 2 classes in " in capsys.readouterr().out.splitlines()[3]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_split_that_was_stopped_is_finished_later(photos, tmp_path, monkeypatch, capsys, error):
    import shutil

    copy, copied = shutil.copyfileobj, []

    def stop_midway(source, target, length):
        if len(copied) == 7:
            target.write(source.read(20))
            raise error
        copied.append(copy(source, target, length))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", stop_midway)
        with pytest.raises(type(error)):
            split_folders(photos, tmp_path / "split")
    assert len(contents(tmp_path / "split")) == 7
    write(tmp_path / "split" / "train" / "daisy", {".0a1b2c3d.part": b"left by a process that was killed"})
    parts = split_folders(photos, tmp_path / "split")
    assert "24 images of 2 classes" in (out := capsys.readouterr().out)
    assert ", 7 of them already there" in out
    for part in parts.values():
        assert {file: (part.root / file).read_bytes() for file in part.files} == {
            file: (photos / file).read_bytes() for file in part.files
        }


def test_hard_links(photos, tmp_path):
    part = split_folders(photos, tmp_path / "split", link="hard")["test"]
    assert all(path.samefile(photos / file) for path, file in zip(part.paths, part.files, strict=True))
    assert not any(path.is_symlink() for path in part.paths)


def test_symbolic_links(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    part = split_folders("photos", "split", link="symbolic")["test"]
    assert all(path.is_symlink() for path in part.paths)
    assert all(path.samefile(photos / file) for path, file in zip(part.paths, part.files, strict=True))
    with pytest.raises(FileExistsError):  # copies would not be what is there
        split_folders("photos", "split")


def test_links_that_cannot_be_made(photos, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setitem(split_folders.__globals__["_LINKS"], "hard", refuse)
    with pytest.raises(OSError, match=r"where hard links can be made. Received .*cross-device.* Use link=None"):
        split_folders(photos, tmp_path / "split", link="hard")


def test_too_few_images_for_every_part(tmp_path):
    write(tmp_path / "photos", {f"{name}/{i}.png": picture() for name in "ab" for i in range(3)})
    write(tmp_path / "photos", {"c/notes.txt": b""})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        parts = split_folders(tmp_path / "photos", tmp_path / "split")
    assert [str(w.message).split(": ", 1)[1] for w in told] == [
        "a class without images (.bmp, .gif, .jpeg, .jpg, .png)",
        "too few images to divide, none of a in validation, b in validation, a in test, b in test",
    ]
    assert parts["train"].counts == {"a": 3, "b": 3, "c": 0}
    folders = {str(p.relative_to(tmp_path / "split")) for p in (tmp_path / "split").glob("*/*")}
    assert folders == {f"{part}/{name}" for part in parts for name in "abc"}  # every part numbers the classes alike


def test_missing_source(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^folder .*nowhere: expected a folder that exists"):
        split_folders(tmp_path / "nowhere", tmp_path / "split")
