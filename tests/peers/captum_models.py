"""The functions that captum's tests explain, written anew: their answers are known by hand."""

import torch


def relu_sums(x):
    """``[m, 2]``: with s the sum of an input, relu(s - 10) + 3 relu(s + 1), less 1 and more 1."""
    s = x.flatten(1).sum(1, keepdim=True)
    hidden = torch.relu(s - 10) + 3 * torch.relu(s + 1)
    return torch.cat([hidden - 1, hidden + 1], 1)


def convolution(x):
    """``[m, 4]`` of two pictures ``[m, 2, 4, 4]`` that are added: sums over 3 x 3 pixels, two thresholds, and signs."""
    sums = torch.nn.functional.conv2d(x.sum(1, keepdim=True), torch.ones(1, 1, 3, 3).to(x)).flatten(1)
    hidden = torch.relu(torch.cat([sums - 50, sums - 75], 1))
    return torch.relu(hidden[:, :5].sum(1, keepdim=True) - hidden[:, 5:].sum(1, keepdim=True)).expand(-1, 4)


# Inputs, features and baselines of its cases. Where it has three inputs that are added, they lie beside each other.
ONE = [[20.0, 50.0, 30.0]]
TWO = [[20.0, 50.0, 30.0], [10.0, 14.0, 4.0]]
EACH, PAIR = [0, 1, 2], [0, 0, 1]
THREE = [[20.0, 50.0, 30.0, 0.0, 100.0, 0.0, 2.0, 10.0, 3.0]]
THREE_MASK = [0, 1, 0, 0, 1, 2, 0, 0, 0]
THREE_BASELINE = torch.tensor([2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0], dtype=torch.float64)
APART = [[23.0, 0.0, 0.0, 20.0, 0.0, 50.0, 0.0, 100.0, 10.0]]
BATCH = [
    [23.0, 100.0, 0.0, 20.0, 50.0, 30.0, 0.0, 100.0, 10.0],
    [20.0, 50.0, 30.0, 0.0, 100.0, 0.0, 2.0, 10.0, 3.0],
]
BATCH_MASK = [[1, 1, 1, 0, 1, 2, 0, 1, 2], [0, 1, 0, 0, 1, 2, 0, 0, 0]]


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)
