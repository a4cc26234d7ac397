#!/bin/bash
# Everything from nothing, in this folder. Needs: espeak-ng opus-tools; python3 with numpy, scipy, torch (CPU, 2.5.1 was used).
set -e
export OMP_NUM_THREADS=1
PY=${PY:-python3}
mkdir -p work
$PY gen.py 15000                                                    # ~5 min on 2 cores, 7 h of speech
$PY train.py work/stage1.pt --steps 5400 --stop 0.58                # single/double sentences
$PY align.py work/stage1.pt                                         # word boundaries, for cut clips
$PY train.py work/stage2.pt --stage 2 --init work/stage1.pt --steps 3170 --lr 1e-3 --port 29512
$PY export.py work/stage2.pt work/meeting-tiny-q5_0.bin q5_0 1500
$PY maketest.py
$PY fixtures.py fixtures
