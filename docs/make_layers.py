"""Draw the layers of gslfit/ and src/ from their imports and includes, into docs/development.md: `python docs/make_layers.py`.

A box is a folder with all below it, a row a layer: it uses only rows below its own. An arrow leads to what a folder uses; arrows that
follow from others are left out. The pictures are Mermaid's, which GitHub and editors draw. A test holds the page to them.
"""
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "development.md"
sys.path.insert(0, str(ROOT / "tests" / "project"))

from test_layers import MODULES, imports, layer, libraries  # noqa: E402

ASIDE = ("__init__", "_old_paths")      # they lead to all the others


def package():
    """Return the folders of gslfit/ and what each uses."""
    uses = {layer(path): set() for path in MODULES.values()}
    for path in MODULES.values():
        uses[layer(path)] |= {layer(MODULES[name]) for name in imports(path)} - {layer(path)}
    return {room: used - set(ASIDE) for room, used in uses.items() if room not in ASIDE}


def core():
    """Return the folders of src/ and what each includes."""
    folders = [path for path in (ROOT / "src").iterdir() if path.is_dir()]
    return {folder.name: set().union(*map(libraries, folder.iterdir())) - {folder.name, "src"} for folder in folders}


def rows(uses):
    """Return the rooms by layer, the lowest first: a room is one above the highest that it uses."""
    height = {}
    for room in TopologicalSorter(uses).static_order():
        height[room] = 1 + max((height[used] for used in uses[room]), default=-1)
    return [sorted(room for room in uses if height[room] == k) for k in range(1 + max(height.values()))]


def needed(uses):
    """Return what each room uses and does not also reach by way of others."""
    beyond = {}
    for room in TopologicalSorter(uses).static_order():
        beyond[room] = set().union(uses[room], *(beyond[used] for used in uses[room]))
    return {room: sorted(uses[room] - set().union(*(beyond[used] for used in uses[room]))) for room in uses}


def picture(uses):
    """Return a flowchart, the highest layer on top."""
    lines = ["```mermaid", "flowchart TB"]
    for number, rooms in reversed(list(enumerate(rows(uses)))):
        members = "; ".join(rooms)
        lines += [f'    subgraph layer{number}[" "]', f"        {members}", "    end"]
    lines += [f"    {room} --> {used}" for room, found in sorted(needed(uses).items()) for used in found]
    return "\n".join([*lines, "```"])


def page():
    """Return the page with the pictures of today."""
    text = PAGE.read_text(encoding="utf-8")
    for name, uses in (("gslfit", package()), ("src", core())):
        start, end = f"<!-- layers of {name}/, by docs/make_layers.py -->\n", f"<!-- end of layers of {name}/ -->"
        before, _, after = text.partition(start)
        text = f"{before}{start}{picture(uses)}\n{end}{after.partition(end)[2]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
