"""torchgeo's classification task, on images of 13 bands."""

import lightning.pytorch as pl
from made_data import SMALL, loaders, squares
from seen import Seen, centered
from torchgeo.trainers import ClassificationTask

from lime_callback import LimeCallback, Superbands, Superpixels

SENTINEL_2 = [443, 490, 560, 665, 705, 740, 783, 842, 865, 945, 1375, 1610, 2190]  # nm

task = ClassificationTask(model="resnet18", weights=None, in_channels=13, num_classes=3)
parts = {"visible": (400.0, 700.0), "near infrared": (700.0, 1300.0), "short-wave": (1300.0, 2500.0)}
lime = LimeCallback([Superpixels(), Superbands(parts)], wavelengths=SENTINEL_2, probes=4)

images, classes, _ = squares(channels=13, size=32)
seen = Seen()
trainer = pl.Trainer(max_epochs=2, callbacks=[lime, seen], **SMALL)
trainer.fit(task, *loaders(image=images, label=classes))
print(lime.explanation("spectral"))

for view in ("spatial", "spectral"):
    seen.check(lime, view, lambda x: centered(task.eval()(x)), classes)
