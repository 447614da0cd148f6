"""What `explain` does with the model and the targets that it gets: modes, targets for each input, outputs, progress."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lime_callback import Superbands, Superpixels, explain, explain_all
from lime_callback.outputs import Contrast

BANDS = Superbands(4)


def images(batch=4):
    return torch.rand(batch, 4, 6, 6, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """With batch statistics, dropout, and a count of its forwards."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.net(x)

    def scores(self, x):
        return self(x)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network().train()


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}, [
        part.training for part in module.modules()
    ]


@pytest.mark.parametrize(
    "forward",
    [lambda n: n, lambda n: n.scores, lambda n: n.forward, lambda n: partial(n.scores), lambda n: n.net],
    ids=["module", "method", "forward", "partial", "part"],
)
@pytest.mark.parametrize("everything", [False, True])
def test_a_module_in_training_mode_is_left_as_it_was(network, forward, everything):
    """Its statistics were overwritten, silently; and it is explained as it is used, without dropout."""
    network.net[1].eval()  # a frozen part stays so
    before, state, x = snapshot(network), torch.get_rng_state(), images()
    settings = {"n_perturbations": 16, "baseline": "zero"}
    if everything:
        explain_all(forward(network), [x], BANDS, **settings)
    else:
        found = explain(forward(network), x, BANDS.features(x), **settings)
        expected = explain(lambda x: network.net.eval()(x), x, BANDS.features(x), **settings)
        torch.testing.assert_close(found.coefficients, expected.coefficients)
        network.net.train()[1].eval()
    after = snapshot(network)
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    assert before[1] == after[1]
    assert torch.equal(state, torch.get_rng_state())
    assert network.calls == 0


def test_a_failure_puts_the_module_back_too(network):
    before = snapshot(network)
    with pytest.raises(RuntimeError, match="channels"):
        explain(network, torch.rand(1, 3, 6, 6), Superbands(3).features(torch.rand(1, 3, 6, 6)), n_perturbations=16)
    after = snapshot(network)
    assert before[1] == after[1]
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])


def scores(x):
    return x.mean((2, 3))


def found(target=None, forward=scores, **settings):
    x = images()
    return explain(forward, x, BANDS.features(x), target, **{"n_perturbations": 16, "baseline": "zero"} | settings)


@pytest.mark.parametrize("target", [[0, 1, 1, 0], (2, 2), [3, 3]])
def test_a_list_that_names_an_output_twice_is_refused_with_the_way_out(target):
    """`target=[0, 1, 1, 0]` for four inputs was read as four targets each. The way out works."""
    with pytest.raises(ValueError, match=r"a list of different outputs, which are all explained of every") as error:
        found(target)
    advised = str(error.value).partition("pass a tensor, `target=")[2].removesuffix("`.")
    if len(target) == 4:
        assert found(eval(advised)).targets.tolist() == [[t] for t in target]


def test_a_list_is_of_targets_and_a_tensor_or_an_array_is_of_inputs():
    assert found([3, 2, 1, 0]).targets.tolist() == [[3, 2, 1, 0]] * 4  # also where there are as many inputs
    for one_each in (torch.tensor([0, 1, 1, 0]), np.array([0, 1, 1, 0])):
        assert found(one_each).targets.tolist() == [[0], [1], [1], [0]]


def test_the_predicted_output_and_all_by_name():
    largest = scores(images()).argmax(1)
    assert found("predicted").targets[:, 0].tolist() == largest.tolist()
    assert found("all").targets.tolist() == found().targets.tolist() == [[0, 1, 2, 3]] * 4
    with pytest.raises(TypeError, match=r"`target` should be an integer.*'predicted', 'all'.*Found `target = 'label'`"):
        found("label")


@pytest.mark.parametrize(
    ("pack", "key"),
    [
        (lambda y: {"logits": y, "loss": y.sum()}, None),
        (lambda y: {"a": y, "b": y.flip(1)}, "a"),
        (lambda y: {"head": {"a": y, "b": y.flip(1)}}, "head.a"),
        (lambda y: SimpleNamespace(output=y), None),
        (lambda y: (y, y.flip(1)), 0),
    ],
)
@pytest.mark.parametrize("output", ["softmax", Contrast(1, 0)])
def test_outputs_are_dictionaries_objects_and_tuples(pack, key, output):
    packed, plain = (found(forward=forward, output=output, output_key=k) for forward, k in (
        (lambda x: pack(scores(x)), key), (scores, None),
    ))  # fmt: skip
    assert torch.equal(packed.coefficients, plain.coefficients)


def test_a_model_that_compares_all_inputs_of_a_batch_is_told_to_return_each_with_its_own():
    def pairs(x):
        return x.flatten(1) @ x.flatten(1).T

    x = images(2)
    with pytest.raises(ValueError, match=r"Found 2 outputs an input, .* and then 8, .*`\.diagonal\(\)`"):
        explain(pairs, x, BANDS.features(x), batch_size=8)
    found = explain(lambda x: pairs(x).diagonal(), x, BANDS.features(x), batch_size=8)
    assert found.coefficients.shape == (2, 1, 4)


def test_a_function_of_the_output_gets_all_of_it_unless_a_key_names_a_part():
    def forward(x):
        return {"a": scores(x), "b": scores(x)}

    assert torch.equal(
        found(forward=forward, output=lambda y: y["a"] - y["b"] + y["a"]).coefficients, found().coefficients
    )
    assert torch.equal(
        found(forward=forward, output=lambda y: y + 0, output_key="b").coefficients, found().coefficients
    )
    with pytest.raises(ValueError, match=r"`output_key` should name.*Pass `output_key='a'` or `output_k"):
        found(forward=forward)


def test_progress_shows_a_bar(capsys):
    found(progress=True)
    shown = capsys.readouterr().err
    assert "Explaining" in shown
    assert "64/64" in shown or "100%" in shown
    found()
    assert capsys.readouterr().err == ""
    with pytest.raises(TypeError, match="`progress` should be True or False"):
        found(progress=1)


def test_label_1_of_a_single_logit_is_told_of_the_one_output():
    single = {"forward": lambda x: scores(x)[:, :1]}
    with pytest.raises(ValueError, match=r"Found \[1\]. A single output is that of class 1, .*: leave `target` out"):
        found(torch.tensor([0, 1, 1, 0]), **single)
    assert found(**single).targets.tolist() == [[0]] * 4


def test_outputs_that_half_precision_rounds_to_a_constant_are_named():
    """bf16 outputs near 100 are multiples of 0.5: they were explained by zeros, silently."""

    def forward(x):
        return (100 + 0.001 * scores(x)).bfloat16()

    with pytest.warns(UserWarning, match=r"as far as bfloat16 can tell, which rounds outputs near 100 to steps of 0.5"):
        found(0, forward)
    assert (found(0, lambda x: 100 + scores(x)).coefficients.abs().amax(-1) > 0).all()


def test_superpixels_are_explained_in_training_mode_too(network):
    x = images(1)
    explain(network, x, Superpixels("grid", n_segments=4).features(x), n_perturbations=16)
    assert network.training
