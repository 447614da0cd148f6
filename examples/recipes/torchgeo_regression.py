"""torchgeo's regression task."""

import lightning.pytorch as pl
import torch
from made_data import SMALL, loaders, squares
from seen import Seen
from torchgeo.trainers import RegressionTask

from lime_callback import LimeCallback

task = RegressionTask(model="resnet18", weights=None, in_channels=4, num_outputs=1)
lime = LimeCallback(probes=4, class_names=["biomass"])

images, classes, _ = squares(channels=4, size=32)
seen = Seen()
trainer = pl.Trainer(max_epochs=2, callbacks=[lime, seen], **SMALL)
trainer.fit(task, *loaders(image=images, label=10.0 * classes + images.mean((1, 2, 3))))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: task.eval()(x), torch.zeros(len(images), dtype=torch.long))
