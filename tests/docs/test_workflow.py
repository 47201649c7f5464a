"""The workflow names commands and files of this repository, and publishes the folder that the site is built into."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
(PATH,) = (ROOT / ".github" / "workflows").glob("*.yml")
JOBS = yaml.safe_load(PATH.read_text())["jobs"]


def commands(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def test_it_runs_the_tests_and_publishes_only_what_passed():
    assert commands("test") == ["make test"]
    assert set(JOBS["publish"]["needs"]) == {"test", "site"}
    assert "pull_request" in JOBS["publish"]["if"]


def test_what_it_runs_is_there():
    makefile = (ROOT / "Makefile").read_text().replace("$(INSTALLED)", ".venv/installed")
    for command in [*commands("test"), *commands("site")]:
        program, *words = command.split()
        if program == "make":
            assert re.search(rf"(?m)^{re.escape(words[0])}:", makefile)
        for word in words:
            assert not word.endswith(".py") or (ROOT / word).is_file()


def test_the_card_lies_in_the_folder_of_the_site_which_is_what_is_published():
    (folder,) = [step["with"]["path"] for step in JOBS["site"]["steps"] if "upload-pages" in step.get("uses", "")]
    assert folder == yaml.safe_load(_without_tags((ROOT / "mkdocs.yml").read_text())).get("site_dir", "site")
    card = commands("site")[-1].split()[-1]
    assert card.startswith(f"{folder}/card/")  # a page of the site, so that the folder is there
    assert (ROOT / "docs" / "card.md").is_file()
    assert commands("site").index(".venv/bin/mkdocs build --strict") < len(commands("site")) - 1


def _without_tags(text: str) -> str:
    """Return YAML without the names of Python functions in it."""
    return re.sub(r"!!python\S+", "", text)
