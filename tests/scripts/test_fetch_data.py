"""Data sets are fetched from a local copy, and what is none, or damaged, is one line."""

import io
import multiprocessing
import runpy
import shutil
import stat
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from erf.data import camvid, cifar10
from tests.erf.data.tiny_sets import camvid_folder, cifar_binary, cifar_folder
from tests.scripts.fetching import names, one_line, pack, run

pytestmark = pytest.mark.usefixtures("tiny_sets_are_enough")

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "zip", "folder"])
@pytest.mark.parametrize("root", ["", "some-commit/CamVid"])
def test_camvid_from_a_local_copy(kind, root, tmp_path, capsys):
    camvid_folder(tmp_path / "copy" / root)
    (tmp_path / "copy" / "README.md").write_text("unrelated")
    origin = tmp_path / "copy"
    if kind != "folder":
        origin = pack(origin, tmp_path / f"copy.{kind}")
    assert run("camvid", "--from", origin, "--data-dir", tmp_path / "data") == 0
    assert names(tmp_path / "data") == ["camvid"]
    assert names(tmp_path / "data" / "camvid") == ["test", "testannot", "train", "trainannot", "val", "valannot"]
    original = camvid.read(tmp_path / "copy" / root, partial=True)
    fetched = camvid.load(tmp_path / "data", partial=True)
    assert fetched.content() == original.content()
    text = capsys.readouterr().out
    assert "12 x 16" in text
    assert f"content  {original.content()}\n         not the same as in this project's results" in text


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "zip", "folder"])
@pytest.mark.parametrize("layout", [cifar_folder, cifar_binary])
def test_cifar10_from_a_local_copy(kind, layout, tmp_path, capsys):
    layout(tmp_path / "copy" / "cifar-10")
    origin = tmp_path / "copy"
    if kind != "folder":
        origin = pack(origin, tmp_path / f"copy.{kind}")
    assert run("cifar10", "--from", origin, "--data-dir", tmp_path / "data") == 0
    assert names(tmp_path / "data") == ["cifar10"]
    assert names(tmp_path / "data" / "cifar10") == ["data_batch_1.bin", "test_batch.bin"]
    original = cifar10.read(tmp_path / "copy" / "cifar-10", partial=True)
    assert cifar10.load(tmp_path / "data", partial=True).content() == original.content()
    assert "truck" in capsys.readouterr().out


def test_the_table_counts_what_there_is(tmp_path, capsys):
    cifar_binary(tmp_path / "cifar10", train=10, test=3, files=2)
    camvid_folder(tmp_path / "camvid")
    assert run("cifar10", "--data-dir", tmp_path) == 0
    rows = [line.strip("│ ").split("│") for line in capsys.readouterr().out.splitlines()]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert cells["images"] == ["180", "20", "30"]
    assert cells["rows x columns"] == ["32 x 32"] * 3
    assert cells["frog"] == ["18", "2", "3"]
    assert run("camvid", "--data-dir", tmp_path) == 0
    text = capsys.readouterr().out
    labels = camvid.read(tmp_path / "camvid", partial=True).train.labels
    for label, name in [(0, "sky"), (11, "no class")]:
        share = f"{float((labels == label).sum() / labels.numel()):.2%}"
        assert any(name in line and share in line for line in text.splitlines())


def test_what_is_there_is_checked_and_kept(tmp_path, capsys):
    cifar_binary(tmp_path / "data" / "cifar10")
    cifar_binary(tmp_path / "other", seed=1)
    before = (tmp_path / "data" / "cifar10" / "test_batch.bin").read_bytes()
    assert run("cifar10", "--from", tmp_path / "other", "--data-dir", tmp_path / "data") == 0
    assert (tmp_path / "data" / "cifar10" / "test_batch.bin").read_bytes() == before
    assert "is already there; to fetch it anew, remove it first" in capsys.readouterr().err


def test_what_is_damaged_is_replaced_and_set_aside(tmp_path, capsys):
    cifar_binary(tmp_path / "good")
    for number in (1, 2):
        cifar_binary(tmp_path / "data" / "cifar10")
        (tmp_path / "data" / "cifar10" / "test_batch.bin").write_bytes(b"half")
        assert run("cifar10", "--from", tmp_path / "good", "--data-dir", tmp_path / "data") == 0
        aside = tmp_path / "data" / f"cifar10.replaced-{number}"
        assert (aside / "test_batch.bin").read_bytes() == b"half"
        text = capsys.readouterr().err
        assert "not usable, so it is replaced: " in text
        assert f"what was there is now {aside}" in text
        shutil.rmtree(tmp_path / "data" / "cifar10")


def test_the_rest_of_a_killed_fetch_does_not_matter(tmp_path):
    camvid_folder(tmp_path / "copy")
    (tmp_path / "data" / ".camvid.part" / "ready" / "train").mkdir(parents=True)
    assert run("camvid", "--from", tmp_path / "copy", "--data-dir", tmp_path / "data") == 0
    assert names(tmp_path / "data") == ["camvid"]


@pytest.mark.parametrize("name", ["cifar10", "camvid"])
def test_a_wrong_archive_is_one_line(name, tmp_path, capsys):
    {"camvid": cifar_folder, "cifar10": camvid_folder}[name](tmp_path / "copy")
    archive = pack(tmp_path / "copy", tmp_path / "wrong.tar.gz")
    assert run(name, "--from", archive, "--data-dir", tmp_path / "data") == 1
    title = {"camvid": "CamVid", "cifar10": "CIFAR-10"}[name]
    assert one_line(capsys).startswith(f"error: {archive} holds no {title}: ")
    assert names(tmp_path / "data") == []


def test_what_is_wrong_in_an_archive_is_named_by_its_place_there(tmp_path, capsys):
    camvid_folder(tmp_path / "copy" / "CamVid")
    (tmp_path / "copy" / "CamVid" / "val" / "001.png").write_bytes(b"no image")
    archive = pack(tmp_path / "copy", tmp_path / "copy.tar.gz")
    for origin in (archive, tmp_path / "copy"):
        assert run("camvid", "--from", origin, "--data-dir", tmp_path / "data") == 1
        assert one_line(capsys).startswith(f"error: {origin}/CamVid: 1 problem: val/001.png: not a readable image")
        assert names(tmp_path / "data") == []


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "zip"])
@pytest.mark.parametrize("share", [0, 0.5, 0.98])
def test_a_cut_off_archive_is_one_line(kind, share, tmp_path, capsys):
    cifar_binary(tmp_path / "copy")
    archive = pack(tmp_path / "copy", tmp_path / f"copy.{kind}")
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    assert run("cifar10", "--from", archive, "--data-dir", tmp_path / "data") == 1
    text = one_line(capsys)
    assert text.startswith(f"error: {archive} is damaged: ") or f"{archive} is neither a whole .tar.gz" in text
    assert names(tmp_path / "data") == []


def test_something_else_is_one_line(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no archive")
    assert run("cifar10", "--from", tmp_path / "notes.txt", "--data-dir", tmp_path / "data") == 1
    assert "notes.txt is neither a whole .tar.gz, .tar.xz or .zip archive nor a folder" in one_line(capsys)
    assert run("cifar10", "--from", tmp_path / "nothing.zip", "--data-dir", tmp_path / "data") == 1
    assert one_line(capsys) == f"error: {tmp_path / 'nothing.zip'} does not exist\n"


def malicious_tar(path: Path, name: str, link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as packed:
        member = tarfile.TarInfo(name)
        if link:
            member.type, member.linkname = tarfile.SYMTYPE, link
            packed.addfile(member)
        else:
            member.size = 4
            packed.addfile(member, io.BytesIO(b"evil"))
    return path


def malicious_zip(path: Path, name: str, link: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        member = zipfile.ZipInfo(name)
        member.external_attr = ((stat.S_IFLNK if link else stat.S_IFREG) | 0o644) << 16
        packed.writestr(member, link or "evil")
    return path


@pytest.mark.parametrize(("make", "kind"), [(malicious_tar, "tar.gz"), (malicious_zip, "zip")])
@pytest.mark.parametrize(
    ("name", "link"), [("../../../evil.txt", ""), ("train/../../../../evil.txt", ""), ("train", "/etc")]
)
def test_an_archive_that_leaves_its_folder_is_refused(make, kind, name, link, tmp_path, capsys):
    archive = make(tmp_path / f"archive.{kind}", name, link)
    assert run("camvid", "--from", archive, "--data-dir", tmp_path / "data") == 1
    assert one_line(capsys).startswith(f"error: {archive} is not safe to unpack: ")
    assert names(tmp_path) == [archive.name, "data"]
    assert names(tmp_path / "data") == []


def from_a_checkout(folder: Path) -> None:
    """Run the script where neither it nor what is not installed has been imported, or would be found."""
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("experiments", "scripts"):
            del sys.modules[name]
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]
    sys.argv = ["fetch_data.py", "cifar10", "--from", str(folder), "--data-dir", str(folder / "data")]
    with (folder / "stderr").open("w") as sys.stderr:
        runpy.run_path(str(ROOT / "scripts" / "fetch_data.py"), run_name="__main__")


def test_the_script_runs_from_a_checkout(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=from_a_checkout, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 1
    assert (tmp_path / "stderr").read_text().startswith(f"error: {tmp_path} holds no CIFAR-10")


def test_an_unknown_data_set_is_refused(capsys):
    assert run("mnist") == 1
    assert "invalid choice: 'mnist'" in one_line(capsys)


def test_a_second_tree_of_hidden_files_is_passed_over(tmp_path):
    camvid_folder(tmp_path / "copy" / "camvid")
    for part in ("trainannot", "train"):
        hidden = tmp_path / "copy" / "__MACOSX" / part / "._000.png"
        hidden.parent.mkdir(parents=True)
        hidden.write_bytes(b"no image")
        (tmp_path / "copy" / "camvid" / part / "._000.png").write_bytes(b"no image")
    assert run("camvid", "--from", tmp_path / "copy", "--data-dir", tmp_path / "data") == 0
    assert not list((tmp_path / "data").rglob("._*"))
