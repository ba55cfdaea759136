"""What people said in tests, and where it is looked for."""

import re
from collections import defaultdict
from collections.abc import Iterator

TOKENS = re.compile(
    r"\blocal\.[0-9a-f]{32}\b|\b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,}|\b(?:Bot|Bearer) (?!\[removed\])\w[\w.-]{15,}"
)
WORDS = 3
"""So many words in a row are taken to be somebody's: fewer may be in a log for another reason."""


class Said:
    """Utterances and names, and a search for them in logs."""

    def __init__(self) -> None:
        self._utterances: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self._names: set[str] = set()

    def add(self, utterance: str) -> None:
        words = tuple(utterance.split())
        if len(words) >= WORDS and not re.match(r"(de)?select ", utterance):
            self._utterances[words[:WORDS]].add(" ".join(words))

    def add_name(self, name: str) -> None:
        if name.istitle() and len(name) >= 3 and name.isalpha() and name != "Moderator":
            self._names.add(name)

    def found_in(self, text: str) -> Iterator[str]:
        """What stands in a log that must not."""
        yield from (match[0] for match in TOKENS.finditer(text))
        words = re.sub(r"[\"'\\]", " ", text).split()
        spaced = " ".join(words)
        for first in set(zip(*(words[at:] for at in range(WORDS)), strict=False)) & self._utterances.keys():
            yield from (one for one in self._utterances[first] if one in spaced)
        yield from set(re.findall(r"\b[A-Z]\w+", text)) & self._names


SAID = Said()
"""Everything that was said in this process's tests."""
