"""How the loss of a short training from scratch was chosen: variants of it, scored on the training images of the demo.

Each variant trains on the masks of a tenth of the objects of the 24 training images; all labels of those images serve
to score it, the 8 evaluation images of the demo are never read. Run `python benchmarks/demo_settings.py --steps 800`;
a variant takes some minutes on two cores.
"""

from __future__ import annotations

import argparse

import numpy as np

from napari_spoco.data.annotations import keep_fraction
from napari_spoco.data.samples import load_nuclei
from napari_spoco.demo import DEMO_TRAINING, READOUTS
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.prediction import predict_embeddings
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.training.devices import limit_threads
from napari_spoco.training.run import train

VARIANTS = {
    "paper's weights": {"consistency_weight": 1.0, "instance_anchor": "pixel"},
    "consistency 3": {"consistency_weight": 3.0, "instance_anchor": "pixel"},
    "consistency 6": {"consistency_weight": 6.0, "instance_anchor": "pixel"},
    "consistency 6, mean anchor": {"consistency_weight": 6.0, "instance_anchor": "mean"},
    "consistency 12": {"consistency_weight": 12.0, "instance_anchor": "pixel"},
}


def main() -> None:
    """Train and score every variant; print a row per variant and read-out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    options = parser.parse_args()
    limit_threads(1)
    samples = load_nuclei("train")
    kept = keep_fraction([s.labels for s in samples], 0.1, np.random.default_rng(options.seed))
    print(f"{options.steps} steps, seed {options.seed}, mean over {len(samples)} training images")
    print(f"{'variant':28} {'read-out':32} {'SBD':>6} {'|DiC|':>6} {'AP@0.5':>7}")
    for name in options.variants:
        loss = DEMO_TRAINING.loss.model_copy(update=VARIANTS[name])
        changes = {"loss": loss, "max_steps": options.steps, "max_minutes": None, "seed": options.seed}
        model = train([s.image for s in samples], kept, config=DEMO_TRAINING.model_copy(update=changes)).model
        embeddings = [predict_embeddings(model, s.image, teacher=True) for s in samples]
        for readout, settings in READOUTS.items():
            found = [
                read_out(e, model.card, settings, ReadoutContext(image=s.image[None])).labels
                for e, s in zip(embeddings, samples, strict=True)
            ]
            rows = [evaluate_segmentation(labels, s.labels) for labels, s in zip(found, samples, strict=True)]
            sbd, dic, ap50 = (np.mean([row[key] for row in rows]) for key in ("sbd", "abs_dic", "ap50"))
            print(f"{name:28} {readout:32} {sbd:6.3f} {dic:6.1f} {ap50:7.3f}", flush=True)


if __name__ == "__main__":
    main()
