"""Puts febrl4 and its truth into a folder: fetch FOLDER EXAMPLE, where EXAMPLE has `fetch`."""

import shutil
import subprocess
import sys
from pathlib import Path

folder, example = map(Path, sys.argv[1:])
subprocess.run([example / "fetch"], check=True, stdout=subprocess.DEVNULL)
shutil.copy(example / "dataset4a.csv", folder / "left.csv")
shutil.copy(example / "dataset4b.csv", folder / "right.csv")
pairs = "".join(f"rec-{number}-org,rec-{number}-dup-0\n" for number in range(5_000))
(folder / "truth.csv").write_text("left_key,right_key\n" + pairs)
