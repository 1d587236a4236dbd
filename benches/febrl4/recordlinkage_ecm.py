"""The Python Record Linkage Toolkit on febrl4: recordlinkage_ecm DATA OUT TMP. Its unsupervised
classifier (ECM, after Fellegi and Sunter), then its one-to-one linking."""

from __future__ import annotations

import pandas as pd
import recordlinkage
from recordlinkage.index import Block

from frame.peer import places


def main() -> None:
    data, out, _ = places()
    left, right = (pd.read_csv(data / f"{side}.csv", dtype=str, index_col="rec_id") for side in ("left", "right"))
    indexer = recordlinkage.Index()
    for columns in (["given_name", "surname"], ["date_of_birth"], ["soc_sec_id"], ["state", "address_1"],
                    ["street_number", "address_1"], ["postcode"]):
        indexer.add(Block(columns, columns))
    # A missing value blocks with nothing: the toolkit would pair all rows without one.
    candidates = indexer.index(left, right)
    compare = recordlinkage.Compare()
    compare.string("given_name", "given_name", method="jarowinkler", threshold=0.85, label="given_name")
    compare.string("surname", "surname", method="jarowinkler", threshold=0.85, label="surname")
    compare.string("date_of_birth", "date_of_birth", method="levenshtein", threshold=0.85, label="birth")
    compare.string("soc_sec_id", "soc_sec_id", method="levenshtein", threshold=0.85, label="soc_sec_id")
    compare.string("address_1", "address_1", method="jarowinkler", threshold=0.85, label="address_1")
    compare.exact("street_number", "street_number", label="street_number")
    compare.string("suburb", "suburb", method="jarowinkler", threshold=0.85, label="suburb")
    compare.exact("postcode", "postcode", label="postcode")
    compare.exact("state", "state", label="state")
    features = compare.compute(candidates, left, right)
    classifier = recordlinkage.ECMClassifier()
    links = classifier.fit_predict(features)
    links = recordlinkage.OneToOneLinking(method="greedy").compute(links)
    pairs = pd.DataFrame({"left_key": links.get_level_values(0), "right_key": links.get_level_values(1)})
    pairs.to_parquet(out / "pairs.parquet", index=False)


main()
