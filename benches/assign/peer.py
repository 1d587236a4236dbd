"""peer.py FILE: the same case by scipy, whose total must agree.

Each left record gets a column of its own at score 0, so that it may stay free; all scores are
raised by one unit, since scipy's sparse matching takes no zeros.
"""

import sys
import time

import numpy
import scipy
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

edges = numpy.fromfile(sys.argv[1], dtype=[("left", "<u4"), ("right", "<u4"), ("units", "<i8")])
lefts, rights = int(edges["left"].max()) + 1, int(edges["right"].max()) + 1
own = numpy.arange(lefts)
rows = numpy.concatenate([edges["left"].astype(numpy.int64), own])
columns = numpy.concatenate([edges["right"].astype(numpy.int64), rights + own])
units = numpy.concatenate([edges["units"] + 1, numpy.ones(lefts, dtype=numpy.int64)])
shape = (lefts, rights + lefts)

sparse = coo_array((units.astype(float), (rows, columns)), shape=shape).tocsr()
exact = coo_array((units, (rows, columns)), shape=shape).tocsr()
start = time.process_time()
left, right = min_weight_full_bipartite_matching(sparse, maximize=True)
seconds = time.process_time() - start
total = sum(int(x) for x in exact[left, right].tolist()) - lefts
print(f"scipy {scipy.__version__} sparse: {seconds:.2f} s, total {total}", flush=True)

if lefts * rights <= 25_000_000:
    dense = numpy.zeros((lefts, rights))
    dense[edges["left"], edges["right"]] = edges["units"]
    start = time.process_time()
    left, right = linear_sum_assignment(dense, maximize=True)
    seconds = time.process_time() - start
    total = int(dense[left, right].astype(numpy.int64).astype(object).sum())
    print(f"scipy {scipy.__version__} dense: {seconds:.2f} s, total {total}", flush=True)
