"""Archives to fetch from, the script that does it, and what it leaves and says."""

import tarfile
import zipfile
from pathlib import Path

from scripts import fetch_data


def pack(folder: Path, archive: Path, root: str = "") -> Path:
    """Pack ``folder`` under the name ``root`` into an archive of the kind that its name says."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path in folder.rglob("*.*"):
                packed.write(path, Path(root) / path.relative_to(folder))
    else:
        with tarfile.open(archive, f"w:{archive.suffix[1:]}") as packed:
            packed.add(folder, root or ".")
    return archive


def run(*arguments: object) -> int:
    return fetch_data.main([str(argument) for argument in arguments])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one_line(capsys) -> str:
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err
