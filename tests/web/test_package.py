"""The package as npm packs it, in a project that has nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tests.golden.files import GOLDEN
from tests.reader.javascript import node
from tests.web.npm import WEB, npm

# What a program of the project does after `tsc`.
RUN = """
import { readFileSync } from "node:fs";
import { main } from "./use.js";
console.log(await main(new Uint8Array(readFileSync(process.argv[2]))));
"""
OPTIONS = {
    "compilerOptions": {
        "target": "ES2023",
        "lib": ["ES2023", "DOM"],
        "types": [],
        "module": "NodeNext",
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "skipLibCheck": False,
    },
    "include": ["use.ts"],
}
LARGEST = 400_000


README = WEB / "hybridx-web" / "README.md"


@pytest.fixture(scope="module")
def packed(workspace, tmp_path_factory):
    """The file that npm would publish, and what it says of it."""
    folder = tmp_path_factory.mktemp("packed")
    (said,) = json.loads(
        npm("pack", "--json", "--pack-destination", str(folder), folder=workspace / "hybridx-web")
    )
    return folder / said["filename"], said


def test_the_package_has_the_built_modules_their_types_and_the_licence_and_no_more(packed):
    _, said = packed
    names = {one["path"] for one in said["files"]}
    assert {"package.json", "README.md", "LICENSE"} == {name for name in names if "/" not in name}
    built = names - {"package.json", "README.md", "LICENSE"}
    sources = {path.stem for path in (WEB / "hybridx-web" / "src").glob("*.ts")}
    read = {path.stem for path in (WEB / "reader").glob("*.mjs")} - {"main", "on_disk"}
    assert built == {
        f"dist/hybridx-web/src/{name}{ending}" for name in sources for ending in (".js", ".d.ts")
    } | {f"dist/reader/{name}{ending}" for name in read for ending in (".mjs", ".d.mts")}
    assert said["unpackedSize"] < LARGEST


def test_its_licence_is_that_of_the_project():
    assert (WEB / "hybridx-web" / "LICENSE").read_text() == (WEB.parent / "LICENSE").read_text()


def test_it_works_in_an_empty_project(packed, tmp_path):
    package, _ = packed
    pinned = json.loads((WEB / "package.json").read_text())["devDependencies"]
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    others = [f"{name}@{pinned[name]}" for name in ("onnxruntime-web", "typescript")]
    quietly = ["--no-audit", "--no-fund", "--ignore-scripts"]
    npm("install", *quietly, str(package), *others, folder=tmp_path)
    shutil.copy(WEB / "hybridx-web" / "test" / "use.ts", tmp_path)
    (tmp_path / "tsconfig.json").write_text(json.dumps(OPTIONS))
    (tmp_path / "run.mjs").write_text(RUN)
    tsc = tmp_path / "node_modules" / "typescript" / "bin" / "tsc"
    checked = subprocess.run(
        [node(), tsc], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    made = subprocess.run(
        [node(), "run.mjs", GOLDEN / "onnx-2" / "classifier.onnx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == {
        "passed": True,
        "columns": ["a", "b", "c"],
        "shape": 2,
        "sampled": [2, 2],
        "vectors": 2,
        "estimates": True,
        "chances": "1.000000",
        "pace": "live",
        "refused": True,
    }
    shutil.copy(GOLDEN / "onnx-2" / "classifier.onnx", tmp_path / "model.onnx")
    (code,) = re.findall(r"```js\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "readme.mjs").write_text(code)
    shown = subprocess.run(
        [node(), "readme.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("true [ 'yes', 'no' ] [ [ 0.")
