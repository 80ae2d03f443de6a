"""However a batch is cut, its mean gradient over tokens is the same; a mean of means is not."""

import numpy as np
import pytest

from examples import unequal_leaves as example

EXACT = 1e-12  # float64
WRONG = 1e-3
FULL, SHORT = 0, 1  # the two steps of an epoch: 64 words, and those that are left


@pytest.fixture(params=[FULL, SHORT], ids=["full batch", "short batch"])
def step(request: pytest.FixtureRequest) -> int:
    return request.param


def whole(step: int) -> np.ndarray:
    """The mean gradient of the step's batch in one leaf."""
    return example.mean_gradient(example.stepper_at(1, step))


def test_the_leaves_of_these_batches_are_unequal(step: int) -> None:
    stepper = example.stepper_at(8, step)
    letters = [stepper.leaf(k).weight for k in range(stepper.leaves)]
    assert len(letters) == (8 if step == FULL else 7)
    assert max(letters) >= 1.4 * min(letters)


@pytest.mark.parametrize("micro_batches", [8, 64])
def test_the_mean_gradient_is_that_of_one_leaf(micro_batches: int, step: int) -> None:
    split = example.mean_gradient(example.stepper_at(micro_batches, step))
    np.testing.assert_allclose(split, whole(step), rtol=0, atol=EXACT)


@pytest.mark.parametrize("micro_batches", [8, 64])
def test_the_usual_mean_of_means_is_another_gradient(micro_batches: int, step: int) -> None:
    wrong = example.mean_of_means(example.stepper_at(micro_batches, step))
    assert example.off(wrong, whole(step)) > WRONG


@pytest.mark.parametrize("micro_batches", [8, 64])
def test_the_weights_after_two_epochs_are_those_of_one_leaf(micro_batches: int) -> None:
    one, split = (example.stepper_at(count, step=4) for count in (1, micro_batches))
    for name, expected in one.model.state_dict().items():
        found = split.model.state_dict()[name].numpy()
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=EXACT, err_msg=name)


def test_the_mean_loss_is_that_of_one_leaf(step: int) -> None:
    losses = [example.stepper_at(count, step).root().means["loss"] for count in (1, 8, 64)]
    np.testing.assert_allclose(losses, losses[0], rtol=0, atol=EXACT)


def test_the_script_prints_both(capsys: pytest.CaptureFixture[str]) -> None:
    example.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.endswith("%")]
    assert [int(row[0]) for row in rows] == [1, 8, 64, 1, 7, 50]
    assert all(float(row[-4]) <= EXACT for row in rows)
    assert all((float(row[-2]) > WRONG) == (row[0] != "1") for row in rows)
