"""Writes pairs of texts with RapidFuzz's similarities, as a table for the engine's tests.

    python reference.py 120 ../../engine/tests/string/reference.tsv

The generator is seeded, so that a release of RapidFuzz with other results shows as a difference.
A cell stays empty where the product defines another value: RapidFuzz lifts no Jaro similarity up to
0.7, and gives 0 for the sets of words of two texts without any. U+00A0 is left out, since RapidFuzz
takes it for white space only in texts that have characters beyond Latin-1.
"""

import random
import sys

from rapidfuzz import fuzz
from rapidfuzz.distance import DamerauLevenshtein, Jaro, JaroWinkler, Levenshtein

METHODS = {
    "levenshtein": Levenshtein.normalized_similarity,
    "damerauLevenshtein": DamerauLevenshtein.normalized_similarity,
    "jaro": Jaro.similarity,
    "jaroWinkler": lambda a, b: (
        JaroWinkler.similarity(a, b) if Jaro.similarity(a, b) > 0.7 else None
    ),
    "tokenSort": lambda a, b: fuzz.token_sort_ratio(a, b) / 100,
    "tokenSet": lambda a, b: (
        fuzz.token_set_ratio(a, b) / 100 if a.split() or b.split() else None
    ),
}

ALPHABETS = ["ab", "abc ", "abcdefghij klmno", "abcdé ", "aé日 ", "日本語🦀🦞\u3000", "абвгд \u2003z"]
LENGTHS = [range(0, 4), range(1, 17), range(14, 21), range(17, 33), range(30, 70), range(60, 140)]


def text(random: random.Random, alphabet: str, lengths: range) -> str:
    return "".join(random.choice(alphabet) for _ in range(random.choice(lengths)))


def edited(random: random.Random, whole: str, alphabet: str) -> str:
    characters = list(whole)
    for _ in range(random.randint(0, 4)):
        place = random.randint(0, len(characters))
        match random.randint(0, 4):
            case 0:
                characters.insert(place, random.choice(alphabet))
            case 1:
                del characters[place : place + 1]
            case 2:
                characters[place : place + 1] = random.choice(alphabet)
            case 3:
                characters[place : place + 2] = reversed(characters[place : place + 2])
            case 4:
                words = "".join(characters).split(" ")
                random.shuffle(words)
                characters = list(" ".join(words))
    return "".join(characters)


def pairs(count: int):
    yield "", ""
    yield "", "abc"
    yield "new york mets", "mets york new york"
    yield "ca", "abc"  # 2 without a restriction, 3 for the optimal string alignment
    generator = random.Random(20)
    for _ in range(count - 4):
        alphabet = generator.choice(ALPHABETS)
        left = text(generator, alphabet, generator.choice(LENGTHS))
        if generator.random() < 0.6:
            yield left, edited(generator, left, alphabet)
        else:
            yield left, text(generator, alphabet, generator.choice(LENGTHS))


def main() -> None:
    count, path = int(sys.argv[1]), sys.argv[2]
    with open(path, "w", encoding="utf-8", newline="\n") as table:
        table.write("\t".join(["left", "right", *METHODS]) + "\n")
        for left, right in pairs(count):
            values = [similarity(left, right) for similarity in METHODS.values()]
            cells = ["" if value is None else repr(value) for value in values]
            table.write("\t".join([left, right, *cells]) + "\n")


if __name__ == "__main__":
    main()
