"""torchgeo's task for semantic segmentation."""

import lightning.pytorch as pl
from made_data import SMALL, loaders, squares
from seen import Seen, regions
from torchgeo.trainers import SemanticSegmentationTask

from lime_callback import LimeCallback

task = SemanticSegmentationTask(
    model="unet", backbone="resnet18", weights=None, in_channels=4, task="multiclass", num_classes=3
)
lime = LimeCallback(probes=4, class_names=["ground", "field", "water"])

images, _, maps = squares(channels=4, size=32)
seen = Seen()
trainer = pl.Trainer(max_epochs=1, callbacks=[lime, seen], **SMALL)
trainer.fit(task, *loaders(image=images, mask=maps))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: regions(task.eval()(x)))
