"""A patch is hidden by leaving its token out: equal to the model's own modules on fewer tokens, or refused."""

from dataclasses import replace

import pytest
import torch
from token_models import (
    CLASSES,
    PATCHES,
    SIDE,
    Bands,
    ConvNet,
    Convolved,
    Encoder,
    Tokens,
    TokensFirst,
    Torchvision,
    Windows,
    labels,
    made,
)
from torch import nn

from lime_callback import Features, Superbands, Superpixels, explain
from lime_callback.explaining.strategies import Strategies
from lime_callback.forwards import AbsentError, model_patches
from lime_callback.forwards.batched_forwards import perturbed_outputs
from lime_callback.forwards.perturbed_inputs import PerturbedInputs
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.forwards.tokens.absent_rows import absent_rows
from lime_callback.sampling import Absent, Coalitions, Paired
from lime_callback.surrogates.fitting import fit

# Few perturbations are enough to compare outputs, though not for a fit.
pytestmark = pytest.mark.filterwarnings("ignore:The explanation of input")

PREFIXED = {
    "timm, class token": (Tokens, 1, "token"),
    "timm, registers and mean": (Tokens, 3, "mean"),
    "timm, no prefix": (Tokens, 0, "mean"),
    "torchvision": (Torchvision, 1, "token"),
    "torch": (Encoder, 1, "token"),
    "torch, mean": (Encoder, 0, "mean"),
    "a single block": (Tokens, 1, "token", 1),
    "torch, tokens first": (TokensFirst, 1, "token"),
}


def images(count=2, channels=3, seed=0):
    return torch.randn(count, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def patches():
    return Features.from_mask(labels().view(1, 1, SIDE, SIDE))


def one_by_one(model, x, explanation, prefix):
    """The outputs of each row alone, ``[B, n, K]``, where features are patches."""
    design = explanation.samples.design.expand(len(x), -1, -1)
    rows = []
    for image, of_image in zip(x, design, strict=True):
        for on in of_image:
            keep = torch.cat([torch.arange(prefix), prefix + on.nonzero().flatten()])
            rows.append(model(image[None], keep)[0])
    return torch.stack(rows).view(len(x), design.shape[1], -1)


@pytest.mark.parametrize("name", PREFIXED)
@torch.no_grad()
def test_it_is_the_model_on_fewer_tokens_row_by_row(name):
    kind, prefix, *others = PREFIXED[name]
    model, x = made(kind, prefix, *others), images()
    found = explain(model, x, patches(), n_perturbations=96, baseline="absent", batch_size=7)
    alone = one_by_one(model, x, found, prefix)
    torch.testing.assert_close(found.samples.outputs, alone, rtol=0, atol=1e-9)
    fitted = fit(Strategies().surrogate, replace(found.samples, outputs=alone))
    torch.testing.assert_close(found.coefficients, fitted.coefficients, rtol=0, atol=1e-6)
    assert float(found.coefficients.abs().amax()) > 1e-3


@pytest.mark.parametrize(
    "name", [name for name, (_, prefix, pool, *_) in PREFIXED.items() if prefix and pool == "token"]
)
@torch.no_grad()
def test_with_all_kept_it_is_the_model_and_with_none_its_prefix(name):
    """The first row of the design has all features on, the second none."""
    kind, prefix, *others = PREFIXED[name]
    model, x = made(kind, prefix, *others), images()
    found = explain(model, x, patches(), n_perturbations=64, baseline="absent", design=Coalitions())
    torch.testing.assert_close(found.samples.outputs[:, 0], model(x), rtol=0, atol=1e-9)
    nothing = torch.cat([model(image[None], torch.arange(prefix)) for image in x])
    torch.testing.assert_close(found.samples.outputs[:, 1], nothing, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.hidden, nothing, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", PREFIXED)
@torch.no_grad()
def test_with_all_but_one_feature_that_holds_nothing_it_is_the_model(name):
    """Also without a prefix: a feature of less than half a patch takes no patch away."""
    kind, prefix, *others = PREFIXED[name]
    model, x = made(kind, prefix, *others), images()
    corner = torch.full((SIDE, SIDE), -1)
    corner[0, 0] = 0
    found = explain(model, x, Features.from_mask(corner[None, None]), n_perturbations=16, baseline="absent")
    whole = model(x).unsqueeze(1).expand_as(found.samples.outputs)
    torch.testing.assert_close(found.samples.outputs, whole, rtol=0, atol=1e-9)


TRANSFORMERS = {
    "vit": ("ViTConfig", "ViTForImageClassification"),
    "deit": ("DeiTConfig", "DeiTForImageClassificationWithTeacher"),
    "dinov2": ("Dinov2Config", "Dinov2ForImageClassification"),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
@torch.no_grad()
def test_models_of_transformers(name):
    transformers = pytest.importorskip("transformers")
    config, kind = (getattr(transformers, part) for part in TRANSFORMERS[name])
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    model = kind(config(**sizes, image_size=SIDE, patch_size=4, num_labels=CLASSES)).double().eval()
    for weight in model.parameters():
        weight.normal_(0, 0.3)
    x, prefix = images(), 2 if name == "deit" else 1
    found = explain(model, x, patches(), n_perturbations=80, baseline="absent", batch_size=32)
    body = next(model.children())

    def alone(image, on):
        tokens = body.embeddings(image)[:, torch.cat([torch.arange(prefix), prefix + on.nonzero().flatten()])]
        layers = getattr(body, "layers", None) or body.encoder.layer
        for layer in layers:
            tokens = layer(tokens)
            tokens = tokens[0] if isinstance(tokens, tuple) else tokens
        tokens = body.layernorm(tokens)
        if name == "deit":
            return (model.cls_classifier(tokens[:, 0]) + model.distillation_classifier(tokens[:, 1])) / 2
        if name == "dinov2":
            return model.classifier(torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1))
        return model.classifier(tokens[:, 0])

    rows = torch.stack([torch.cat([alone(image[None], on) for on in found.samples.design[0]]) for image in x])
    torch.testing.assert_close(found.samples.outputs, rows, rtol=0, atol=1e-9)
    fitted = fit(Strategies().surrogate, replace(found.samples, outputs=rows))
    torch.testing.assert_close(found.coefficients, fitted.coefficients, rtol=0, atol=1e-6)
    assert bool(found.hidden.isnan().all()) == (name == "dinov2")  # which takes the mean of no patch


@torch.no_grad()
def test_groups_of_bands_are_left_out():
    model, x = made(Bands), images(channels=32)[:, :, :SIDE, :1].contiguous()
    bands = Superbands(bands=PATCHES).features(x)
    found = explain(model, x, bands, n_perturbations=96, baseline="absent")
    torch.testing.assert_close(found.samples.outputs, one_by_one(model, x, found, 1), rtol=0, atol=1e-9)
    spatial = Features.from_mask(torch.arange(SIDE).view(1, 1, SIDE, 1))
    with pytest.raises(AbsentError, match="100% of the model's patches hold several features"):
        explain(model, x, spatial, baseline="absent")


REFUSED = {
    "windows": (Windows, "depends on the places of the tokens"),
    "convolutions between blocks": (Convolved, "runs on no other number of tokens|depends on the places"),
    "no tokens": (ConvNet, "no row of blocks in the model receives tokens"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_more_than_which_tokens_there_are_is_refused_with_the_reason(name):
    kind, reason = REFUSED[name]
    with pytest.raises(AbsentError, match=reason):
        explain(made(kind), images(), patches(), baseline="absent")


class Remembers(Tokens):
    """Adds something of the image itself at the end."""

    def forward(self, x, keep=slice(None)):
        return super().forward(x, keep) + x.mean((2, 3))


class Skips(Tokens):
    """Adds its embedding at the end."""

    def forward(self, x, keep=slice(None)):
        return super().forward(x, keep) + self.embed(x).mean(1)[:, :CLASSES]


class Overlapping(Tokens):
    def __init__(self):
        super().__init__(0, "mean")
        self.embed.proj = nn.Conv2d(3, self.head.in_features, 8, 4, padding=2)


class Normalising(Tokens):
    def forward(self, x, keep=slice(None)):
        return super().forward(x / x.abs().amax((1, 2, 3), keepdim=True), keep)


class Twice(Tokens):
    def encode(self, x):
        return self.blocks(self.blocks(x))


class Masked(Tokens):
    def encode(self, x):
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)
        for block in self.blocks:
            x = block(x, mask)
        return x


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Remembers, "uses its input beside its tokens"),
        (Skips, "uses its input beside its tokens"),
        (Overlapping, "no regular grid of patches"),
        (Normalising, "no regular grid of patches"),
        (Twice, "run several times"),
        (Masked, "receive more for each token"),
    ],
)
def test_what_uses_its_input_elsewhere_is_refused_with_the_reason(kind, reason):
    with pytest.raises(AbsentError, match=reason):
        explain(made(kind), images(), patches(), baseline="absent")


def test_compiled_models_and_functions_are_refused():
    model = made(Tokens)
    with pytest.raises(AbsentError, match="the model is compiled"):
        explain(torch.compile(model, backend="eager"), images(), patches(), baseline="absent")
    with pytest.raises(AbsentError, match="pass the model itself"):
        explain(lambda x: model(x), images(), patches(), baseline="absent")


def test_a_models_method_will_do():
    model, x = made(Tokens), images()
    of_method = explain(model.forward, x, patches(), baseline="absent", n_perturbations=64)
    torch.testing.assert_close(
        of_method.coefficients, explain(model, x, patches(), baseline="absent", n_perturbations=64).coefficients
    )


def test_what_a_hidden_patch_holds_does_not_matter():
    """Another image that differs in one patch has the same outputs wherever that patch is hidden."""
    model, x = made(Tokens), images(1)
    found = explain(model, x, patches(), n_perturbations=64, baseline="absent")
    other = explain(model, torch.where(labels() == 3, 9.0, x), patches(), n_perturbations=64, baseline="absent")
    hidden = ~found.samples.design[0, :, 3]
    same = (found.samples.outputs - other.samples.outputs)[0].abs().amax(-1) < 1e-9
    assert torch.equal(same, hidden)


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
def test_the_batch_size_does_not_matter(batch_size):
    model, x = made(Tokens), images(3)
    whole = explain(model, x, patches(), n_perturbations=64, baseline="absent", batch_size=64)
    parts = explain(model, x, patches(), n_perturbations=64, baseline="absent", batch_size=batch_size)
    torch.testing.assert_close(parts.samples.outputs, whole.samples.outputs, rtol=0, atol=1e-9)


def test_nothing_is_embedded_again_and_no_row_has_more_tokens_than_are_left():
    model, x = made(Tokens), images()
    seen, embedded = [], []
    model.blocks[1].register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[:2]))
    model.embed.proj.register_forward_hook(lambda _, given, __: embedded.append(len(given[0])))
    explain(model, x, patches(), n_perturbations=64, baseline="absent")
    few = sum(embedded)
    explain(model, x, patches(), n_perturbations=512, baseline="absent")
    assert sum(embedded) == 2 * few  # whatever the number of perturbations
    tokens = sum(rows * count for rows, count in seen)
    assert tokens < 0.6 * (2 * (64 + 512)) * (PATCHES + 1) + 40 * (PATCHES + 1)


def test_half_precision():
    model, x = made(Tokens).bfloat16(), images().bfloat16()
    found = explain(model, x, patches(), n_perturbations=96, baseline="absent")
    exact = explain(made(Tokens), images(), patches(), n_perturbations=96, baseline="absent")
    largest = float(exact.coefficients.abs().amax())
    assert float((found.coefficients - exact.coefficients).abs().amax()) < 0.1 * largest


def test_out_of_memory_halves_the_batches():
    model, x, sizes = made(Tokens), images(), []

    def short(_, given):
        sizes.append(len(given[0]))
        if len(given[0]) > 4:
            raise torch.OutOfMemoryError("out of memory")

    few = explain(model, x, patches(), n_perturbations=64, baseline="absent", batch_size=4)
    model.blocks[1].register_forward_pre_hook(short)
    found = explain(model, x, patches(), n_perturbations=64, baseline="absent", batch_size=64)
    assert max(sizes) > 4
    torch.testing.assert_close(found.coefficients, few.coefficients, rtol=0, atol=1e-9)


def test_rows_without_an_answer_are_left_out_and_the_explanation_says_so(caplog):
    model, x = made(Tokens, 0, "mean"), images(1)
    halves = Features.from_mask((labels() >= PATCHES // 2).long().view(1, 1, SIDE, SIDE))
    with caplog.at_level("INFO", "lime_callback"):
        found = explain(model, x, halves, n_perturbations=64, baseline="absent", design=Paired())
    empty = ~found.samples.design.any(-1)
    assert empty.any()
    assert (found.samples.weights[empty] == 0).all()
    assert (found.samples.weights[~empty] > 0).all()
    assert f"{int(empty.sum())} of 64 rows in which no patch is left are left out" in found.strategies[1]
    assert "left out" in caplog.text
    assert found.hidden.isnan().all()
    assert found.coefficients.isfinite().all()


def test_a_shapley_fit_needs_an_answer_to_nothing():
    with pytest.raises(AbsentError, match="no output where no patch is left"):
        explain(made(Tokens, 0, "mean"), images(), patches(), like="kernel_shap", baseline="absent")
    found = explain(made(Tokens), images(), patches(), like="kernel_shap", baseline="absent")
    total = found.coefficients.sum(-1)
    torch.testing.assert_close(total, found.prediction - found.hidden, rtol=0, atol=1e-6)


def test_a_patch_stays_where_half_of_it_is_on(caplog):
    model, x = made(Tokens), images(1)
    mask = labels()
    mask[:2, :4] = 1  # half of patch 0 belongs to the feature of patch 1
    with caplog.at_level("INFO", "lime_callback"):
        found = explain(model, x, Features.from_mask(mask[None, None]), n_perturbations=96, baseline="absent")
    design = found.samples.design[0]
    on = design.clone()
    on[:, 0] = design[:, 0] | design[:, 1]
    expected = torch.cat([model(x, torch.cat([torch.zeros(1).long(), 1 + row.nonzero().flatten()])) for row in on])
    torch.testing.assert_close(found.samples.outputs[0], expected, rtol=0, atol=1e-9)
    assert "stay where half of them is on" in caplog.text


def test_most_patches_with_several_features_are_refused_with_advice():
    pixels = Features.from_mask(torch.arange(SIDE**2).view(1, 1, SIDE, SIDE))
    with pytest.raises(AbsentError, match=r"several features.*Superpixels\(method='tokens'\)"):
        explain(made(Tokens), images(), pixels, baseline="absent")


def test_superpixels_along_the_models_patches():
    model, x = made(Tokens), images()
    found = model_patches(model, x)
    assert torch.equal(found, labels())
    features = Superpixels(method="tokens", n_segments=4).features(x, patches=found)
    assert len(features) == 4
    assert not features.per_input
    group = features.mask[0, 0]
    for patch in range(PATCHES):
        assert len(group[labels() == patch].unique()) == 1
    assert group[:8, :8].unique().tolist() == [0]
    explain(model, x, features, n_perturbations=16, baseline="absent")
    each = Superpixels(method="tokens", n_segments=PATCHES).features(x, patches=found)
    assert torch.equal(each.mask[0, 0].long(), labels())
    with pytest.raises(ValueError, match=r"model_patches\(model, inputs\)"):
        Superpixels(method="tokens").features(x)
    with pytest.raises(ValueError, match="shape of the pixels"):
        Superpixels(method="tokens").features(x, patches=found[:-1])


@torch.no_grad()
def test_superpixels_of_the_models_patches_that_follow_each_picture():
    model, x = made(Tokens), images()
    features = Superpixels(method="slic_tokens", n_segments=5).features(x, patches=model_patches(model, x))
    assert features.per_input
    found = explain(model, x, features, n_perturbations=64, baseline="absent")
    for image, mask, design, rows in zip(
        x, features.mask[:, 0].long(), found.samples.design, found.samples.outputs, strict=True
    ):
        groups = torch.tensor([int(mask[labels() == patch][0]) for patch in range(PATCHES)])
        for on, output in zip(design, rows, strict=True):
            keep = torch.cat([torch.zeros(1).long(), 1 + on[groups].nonzero().flatten()])
            torch.testing.assert_close(model(image[None], keep)[0], output, rtol=0, atol=1e-9)


@pytest.mark.parametrize("layout", ["HWC", "CWH", "1CHW"])
def test_layouts(layout):
    class Turned(Tokens):
        def forward(self, x, keep=slice(None)):
            turned = {"HWC": lambda x: x.movedim(-1, 1), "CWH": lambda x: x.mT, "1CHW": lambda x: x[:, 0]}
            return super().forward(turned[layout](x), keep)

    back = {"HWC": lambda x: x.movedim(1, -1), "CWH": lambda x: x.mT, "1CHW": lambda x: x[:, None]}[layout]
    model, x = made(Turned), back(images()).contiguous()
    found = model_patches(model, x, layout)
    assert torch.equal(found, labels())
    features = Superpixels(method="tokens", n_segments=PATCHES).features(x, layout=layout, patches=found)
    turned = explain(model, x, features, n_perturbations=64, baseline="absent")
    usual = explain(made(Tokens), images(), patches(), n_perturbations=64, baseline="absent")
    torch.testing.assert_close(turned.coefficients, usual.coefficients, rtol=0, atol=1e-9)


def test_pixels_that_are_in_no_patch():
    class Larger(Tokens):
        def forward(self, x, keep=slice(None)):
            return super().forward(x[..., :SIDE, :SIDE], keep)

    model = made(Larger)
    x = torch.randn(1, 3, SIDE + 2, SIDE + 3, dtype=torch.float64)
    found = model_patches(model, x)
    assert torch.equal(found[:SIDE, :SIDE], labels())
    assert (found[SIDE:] == -1).all()
    assert (found[:, SIDE:] == -1).all()
    features = Superpixels(method="tokens", n_segments=4).features(x, patches=found)
    assert (features.mask[0, 0][found < 0] == -1).all()


def test_it_leaves_no_trace_also_after_a_failure():
    model, x = made(Tokens), images()
    model.train()

    def state():
        parts = [
            (sorted(vars(part)), len(part._forward_hooks), len(part._forward_pre_hooks)) for part in model.modules()
        ]
        return parts, [part.training for part in model.modules()], [weight.clone() for weight in model.parameters()]

    before = state()
    explain(model, x, patches(), n_perturbations=32, baseline="absent")
    failing = model.blocks[1].register_forward_pre_hook(lambda _, given: 1 / 0 if given[0].shape[1] < 12 else None)
    with pytest.raises(AbsentError, match="the model runs on no other number of tokens"):
        explain(model, x, patches(), n_perturbations=32, baseline="absent")
    failing.remove()
    after = state()
    assert before[:2] == after[:2]
    assert all(map(torch.equal, before[2], after[2]))


def test_its_name_and_its_class_are_the_same():
    assert Strategies(baseline="absent").baseline == Absent()
    x = images(1)
    assert (Absent()(x, patches()) == 0).all()


@pytest.mark.parametrize("shares", [2, 3])
@torch.no_grad()
def test_processes_share_the_rows(shares, monkeypatch):
    """Each process runs its share of the sorted rows; the answers of all stand where they belong."""
    model, x = made(Tokens), images()
    alone = explain(model, x, patches(), n_perturbations=64, baseline="absent")
    perturber = PerturbedInputs(x, torch.zeros(1, 1, 1, 1).double(), patches(), alone.samples.design)
    forward = lambda x, _: model(x)  # noqa: E731
    rows, _ = absent_rows(model, forward, perturber, 16, model(x), ALONE)
    targets = torch.arange(CLASSES).expand(2, -1)
    own = []

    def gather(ranks, part):
        own.append(part)
        return own if len(own) == shares else [part] * shares

    monkeypatch.setattr(Ranks, "gather_rows", gather)
    monkeypatch.setattr(Ranks, "gather", lambda ranks, value: [value])
    for share in range(shares):  # the last one has the answers of all
        ranks = Ranks(share, tuple(range(shares)))
        outputs, _ = perturbed_outputs(forward, rows, targets, 16, ranks)
    torch.testing.assert_close(outputs.view(2, -1, CLASSES), alone.samples.outputs, rtol=0, atol=1e-9)


class MasksNodata(nn.Module):
    """Its blocks do not look at patches without data, which it finds in each image."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 4, 4)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True) for _ in range(2))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        valid = nn.functional.max_pool2d((x != 0).float().amax(1, keepdim=True), 4).flatten(2).mT
        tokens = self.embed(x).flatten(2).mT
        for block in self.blocks:
            tokens = block(tokens) * valid
        return self.head(tokens.mean(1))


def test_every_input_is_asked_and_not_the_first_alone():
    """The first image has no pixel without data, so that masking it changes nothing."""
    torch.manual_seed(0)
    model, x = MasksNodata().double().eval(), torch.randn(2, 3, 16, 16, dtype=torch.float64)
    x[1, :, :8] = 0
    patches = torch.arange(16).view(4, 4).repeat_interleave(4, 0).repeat_interleave(4, 1)
    for order in ([0, 1], [1, 0]):
        with pytest.raises(AbsentError, match="Here it cannot, since the model"):
            explain(model, x[order], patches, baseline="absent", n_perturbations=64)


class NeedsSix(nn.Module):
    """Takes the six largest tokens of all that there are."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 4, 4)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True) for _ in range(2))

    def forward(self, x):
        tokens = self.embed(x).flatten(2).mT
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.topk(6, 1).values.mean(1)


def test_a_model_that_needs_more_tokens_than_are_left_is_refused():
    torch.manual_seed(0)
    patches = torch.arange(16).view(4, 4).repeat_interleave(4, 0).repeat_interleave(4, 1)
    x = torch.randn(1, 3, 16, 16)
    with pytest.raises(AbsentError, match=r"does not run on [0-5] tokens, as many as the fewest that are left"):
        explain(NeedsSix().eval(), x, patches, 0, baseline="absent", n_perturbations=256, design="bernoulli")


class Masked(nn.Module):
    """Torch's own encoder makes a nested tensor of its tokens where a mask is given."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 4)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True), 2)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).mT
        mask = torch.zeros(tokens.shape[:2], dtype=torch.bool)
        return self.head(self.encoder(tokens, src_key_padding_mask=mask).mean(1))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
def test_nested_tensors_are_left_alone():
    torch.manual_seed(0)
    model, x = Masked().eval(), torch.randn(1, 3, 16, 16)
    patches = torch.arange(16).view(4, 4).repeat_interleave(4, 0).repeat_interleave(4, 1)
    found = [explain(model, x, patches, stem=stem, n_perturbations=64).coefficients for stem in ("auto", "off")]
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)
    with pytest.raises(AbsentError, match="Here it cannot, since"):
        explain(model, x, patches, baseline="absent", n_perturbations=64)
