"""What tensors and graphs do, as short scripts that run on either library.

Each takes the library (`dtrain` or PyTorch) and returns plain values. `reference.json` has what
PyTorch returned (`make_reference.py` wrote it); tests compare dtrain with it, and with PyTorch
itself where that is installed.
"""

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

SCENARIOS: dict[str, Callable[[Any], Any]] = {}


def scenario(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Put a script into the table."""
    SCENARIOS[function.__name__] = function
    return function


def error(call: Callable[[], Any], words: int = 6) -> list[str]:
    """The class of what a call raises, and the first words of its message."""
    try:
        call()
    except Exception as raised:
        return [type(raised).__name__, " ".join(str(raised).split()[:words])]
    return ["nothing", ""]


def kind(call: Callable[[], Any]) -> str:
    """The class of what a call raises."""
    return error(call)[0]


def leaf(torch: Any, *values: float) -> Any:
    """A vector that requires a gradient."""
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


# Leaves and what is made of them


@scenario
def leaves_and_results(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y, z = x * 2, torch.ones(2)
    return [x.is_leaf, y.is_leaf, z.is_leaf, y.requires_grad, z.requires_grad, (z * 2).is_leaf]


@scenario
def the_grad_of_a_result_warns(torch: Any) -> Any:
    y = leaf(torch, 1, 2) * 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grad = y.grad
    return [grad is None, caught[0].category.__name__, str(caught[0].message)[:60]]


@scenario
def retain_grad(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    before = y.retains_grad
    (y * y).sum().backward()
    return [before, x.retains_grad, y.grad.tolist(), x.grad.tolist()]


@scenario
def retain_grad_without_requires_grad(torch: Any) -> Any:
    return error(lambda: torch.ones(2).retain_grad())


@scenario
def retained_gradients_add_up(torch: Any) -> Any:
    x = leaf(torch, 3)
    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return y.grad.tolist()


@scenario
def requires_grad_of_integers(torch: Any) -> Any:
    return kind(lambda: torch.tensor([1]).requires_grad_())


@scenario
def requires_grad_of_a_result_cannot_be_unset(torch: Any) -> Any:
    y = leaf(torch, 1) * 2
    return error(lambda: y.requires_grad_(False))


@scenario
def detach_shares_memory_and_version(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = x.exp()
    y.detach().mul_(2)
    return [y.detach().requires_grad, kind(lambda: y.sum().backward())]


@scenario
def data_shares_memory_but_no_version(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = x * 2
    y.data.mul_(10)
    (y * y).sum().backward()
    return [y.tolist(), x.grad.tolist()]


@scenario
def data_can_be_replaced(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    x.data = torch.tensor([5.0, 6.0, 7.0], dtype=torch.float64)
    (x * x).sum().backward()
    return [x.tolist(), x.grad.tolist()]


@scenario
def detach_in_place(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = x * 2
    y.detach_()
    return [y.is_leaf, y.requires_grad, y.grad_fn is None]


@scenario
def a_clone_of_a_detached_prediction_leaves_no_gradient(torch: Any) -> Any:
    w = leaf(torch, 2)
    pred = w * 3
    target = pred.clone().detach()
    return [error(lambda: (target * 2).sum().backward()), w.grad is None]


@scenario
def deepcopy_of_a_leaf_and_of_a_result(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    twin = copy.deepcopy(x)
    return [twin.requires_grad, twin.tolist(), kind(lambda: copy.deepcopy(x * 2))]


# Backward


@scenario
def a_second_backward_needs_retain_graph(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = (x * x).sum()
    y.backward()
    return error(y.backward, words=12)


@scenario
def a_second_backward_through_a_sum_works(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = x.sum()
    y.backward()
    y.backward()
    return x.grad.tolist()


@scenario
def retain_graph_allows_a_second_backward(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad.tolist()


@scenario
def backward_of_a_vector_needs_a_gradient(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    wrong = error(lambda: (x * 2).backward())
    (x * 2).backward(torch.tensor([1.0, 10.0], dtype=torch.float64))
    return [wrong, x.grad.tolist()]


@scenario
def backward_with_a_gradient_of_another_shape(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    return kind(lambda: (x * 2).backward(torch.ones(3, dtype=torch.float64)))


@scenario
def backward_of_what_requires_no_gradient(torch: Any) -> Any:
    return error(lambda: torch.ones(1).sum().backward(), words=12)


@scenario
def backward_into_chosen_inputs(torch: Any) -> Any:
    x, w = leaf(torch, 1, 2), leaf(torch, 3, 4)
    (x * w).sum().backward(inputs=[w])
    return [x.grad is None, w.grad.tolist()]


@scenario
def gradients_accumulate(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad.tolist()


@scenario
def grad_does_not_touch_grad(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    (g,) = torch.autograd.grad((x**3).sum(), x)
    return [g.tolist(), x.grad is None, g.requires_grad]


@scenario
def grad_of_an_unused_input(torch: Any) -> Any:
    x, w = leaf(torch, 1), leaf(torch, 2)
    y = (x * 2).sum()
    unused = error(lambda: torch.autograd.grad(y, [x, w], retain_graph=True), words=12)
    allowed = torch.autograd.grad(y, [x, w], allow_unused=True, retain_graph=True)
    filled = torch.autograd.grad(y, [x, w], materialize_grads=True)
    return [unused, allowed[1] is None, filled[1].tolist()]


@scenario
def grad_of_several_outputs(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    ones = torch.ones(2, dtype=torch.float64)
    (g,) = torch.autograd.grad([x * x, x * 3], x, grad_outputs=[ones, ones * 2])
    return g.tolist()


@scenario
def second_and_third_derivatives(torch: Any) -> Any:
    x = leaf(torch, 2)
    y = x**4
    out = []
    for _ in range(3):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        out.append(y.item())
    return out


@scenario
def create_graph_puts_a_recorded_gradient_in_grad(torch: Any) -> Any:
    x = leaf(torch, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (x**3).sum().backward(create_graph=True)
    first = x.grad
    (second,) = torch.autograd.grad(first.sum(), x)
    x.grad = None
    return [first.requires_grad, first.tolist(), second.tolist()]


@scenario
def a_gradient_penalty(torch: Any) -> Any:
    x, w = leaf(torch, 1, 2), leaf(torch, 0.5, -1)
    score = (x * w).tanh().sum()
    (g,) = torch.autograd.grad(score, x, create_graph=True)
    ((g.norm() - 1) ** 2).backward()
    return [round(each, 10) for each in w.grad.tolist()]


@scenario
def assigning_grad(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    x.grad = torch.ones(2, dtype=torch.float64)
    (x * 2).sum().backward()
    sized = error(lambda: setattr(x, "grad", torch.ones(3, dtype=torch.float64)), words=14)
    typed = kind(lambda: setattr(x, "grad", torch.ones(2)))
    named = kind(lambda: setattr(x, "grad", 1.0))
    return [x.grad.tolist(), sized, typed, named]


# Recording


@scenario
def no_grad_and_enable_grad(torch: Any) -> Any:
    x = leaf(torch, 1)
    with torch.no_grad():
        a = (x * 2).requires_grad
        with torch.enable_grad():
            b = (x * 2).requires_grad
    return [a, b, (x * 2).requires_grad]


@scenario
def modes_as_decorators(torch: Any) -> Any:
    x = leaf(torch, 1)

    @torch.no_grad()
    def without() -> bool:
        return bool((x * 2).requires_grad)

    @torch.enable_grad()
    def recorded() -> bool:
        return bool((x * 2).requires_grad)

    @torch.set_grad_enabled(False)
    def switched() -> bool:
        return bool((x * 2).requires_grad)

    with torch.no_grad():
        inner = recorded()
    return [without(), inner, switched(), torch.is_grad_enabled()]


@scenario
def set_grad_enabled(torch: Any) -> Any:
    x = leaf(torch, 1)
    torch.set_grad_enabled(False)
    a = (x * 2).requires_grad
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        b = (x * 2).requires_grad
    with torch.inference_mode():
        c = (x * 2).requires_grad
    return [a, b, c, (x * 2).requires_grad]


# In place


@scenario
def in_place_on_a_leaf_that_requires_grad(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    messages = [error(lambda: x.add_(1), words=14), error(lambda: x[0:1].add_(1), words=16)]
    with torch.no_grad():
        x.add_(1)
    return [messages, x.tolist()]


@scenario
def in_place_on_a_result(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = x * 2
    y.mul_(3).add_(1)
    y += x
    (y * y).sum().backward()
    return [y.tolist(), x.grad.tolist()]


@scenario
def in_place_on_what_backward_saved(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    out = []
    for function in (torch.exp, torch.sigmoid, torch.tanh, torch.sqrt):
        y = function(x)
        y.add_(1)
        out.append(kind(lambda y=y: y.sum().backward()))
    a = x * 1
    b = a * a
    a.add_(1)
    out.append(kind(lambda: b.sum().backward()))
    return out


@scenario
def in_place_on_what_backward_does_not_need(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = x * 2
    z = y + 1
    y.add_(5)
    z.sum().backward()
    return x.grad.tolist()


@scenario
def in_place_relu_after_a_product(torch: Any) -> Any:
    x = leaf(torch, -1, 2)
    y = (x * 3).relu_()
    y.sum().backward()
    return x.grad.tolist()


@scenario
def versions_count_changes(torch: Any) -> Any:
    x = torch.zeros(4)
    view = x[1:3]
    counts = [x._version]
    x.add_(1)
    view.mul_(2)
    x[0] = 5
    x.zero_()
    return [*counts, x._version, view._version]


@scenario
def in_place_of_another_dtype(torch: Any) -> Any:
    x = torch.tensor([1, 2])
    wrong = error(lambda: x.add_(0.5), words=12)
    y = torch.tensor([1.0, 2.0])
    y += torch.tensor([1, 2])
    return [wrong, y.tolist(), str(y.dtype)]


@scenario
def in_place_of_another_shape(torch: Any) -> Any:
    return error(lambda: torch.ones(2).add_(torch.ones(3, 2)), words=14)


@scenario
def fill_zero_and_copy(torch: Any) -> Any:
    x = leaf(torch, 1, 2, 3)
    y = x * 2
    y[0].fill_(7)
    y[1].zero_()
    y[2].copy_(x[0] * 10)
    y.sum().backward()
    return [y.tolist(), x.grad.tolist()]


# Views


@scenario
def a_view_shares_memory(torch: Any) -> Any:
    x = torch.arange(6).reshape(2, 3)
    x.t()[0, 1] = 50
    x.view(-1)[0] = 70
    x[:, 1:][0].add_(1)
    x.unsqueeze(0).squeeze(0).transpose(0, 1)[2, 1] = -1
    return x.tolist()


@scenario
def reshape_copies_where_it_must(torch: Any) -> Any:
    x = torch.arange(6).reshape(2, 3)
    x.t().reshape(-1)[0] = 50
    return [x.tolist(), error(lambda: x.t().view(-1), words=8)]


@scenario
def writing_into_a_view_of_a_result(torch: Any) -> Any:
    x = leaf(torch, 1, 2, 3)
    y = x * 2
    y[0:2].mul_(10)
    (y * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)).sum().backward()
    return [y.tolist(), x.grad.tolist()]


@scenario
def a_view_taken_before_its_base_was_written(torch: Any) -> Any:
    x = leaf(torch, 1, 2, 3)
    y = x * 2
    view = y[1:]
    y.mul_(x)
    view.sum().backward()
    return [view.tolist(), x.grad.tolist()]


@scenario
def a_base_without_gradient_gets_one_from_its_view(torch: Any) -> Any:
    w = leaf(torch, 5)
    x = torch.zeros(3, dtype=torch.float64)
    view = x[1:2]
    before = x.requires_grad
    view.add_(w)
    (x * 2).sum().backward()
    return [before, x.requires_grad, x.tolist(), w.grad.tolist()]


@scenario
def a_view_of_a_view(torch: Any) -> Any:
    x = leaf(torch, 1, 2, 3, 4)
    y = x * 1
    y.view(2, 2).t()[0].mul_(3)
    (y * y).sum().backward()
    return [y.tolist(), x.grad.tolist()]


@scenario
def assignment_by_index_slice_mask_and_list(torch: Any) -> Any:
    x = leaf(torch, 1, 2, 3, 4, 5)
    y = x * 1
    y[0] = 10
    y[1:3] = x[3:5] * 2
    y[y > 9.5] = 0
    y[[3, 4]] = y[[4, 3]]
    (y * y).sum().backward()
    return [y.tolist(), x.grad.tolist()]


@scenario
def assignment_of_a_shape_that_does_not_fit(torch: Any) -> Any:
    x = torch.zeros(3)
    return [kind(lambda: x.__setitem__(slice(0, 2), torch.ones(3))), kind(lambda: x[5])]


@scenario
def an_expanded_tensor_cannot_be_written(torch: Any) -> Any:
    return kind(lambda: torch.ones(1).expand(3).add_(1))


@scenario
def is_view_and_base(torch: Any) -> Any:
    x = torch.zeros(3)
    return [x._is_view(), x[1:]._is_view(), x[1:]._base is x, (x + 1)._is_view()]


# Hooks


@scenario
def hooks_see_and_change_gradients(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    handle = x.register_hook(lambda g: g + 1)
    y.sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    return [seen, x.grad.tolist()]


@scenario
def a_hook_on_what_requires_no_gradient(torch: Any) -> Any:
    return error(lambda: torch.ones(1).register_hook(print), words=8)


@scenario
def hooks_of_a_leaf_run_in_grad_too(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    x.register_hook(lambda g: g * 3)
    (g,) = torch.autograd.grad((x * x).sum(), x)
    return g.tolist()


# Function


def _cube(torch: Any) -> Any:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    return Cube


@scenario
def a_function_of_ones_own(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    y = _cube(torch).apply(x)
    name = type(y.grad_fn).__name__ if not hasattr(y.grad_fn, "name") else y.grad_fn.name()
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(g.sum(), x)
    return [name, y.tolist(), g.tolist(), second.tolist()]


@scenario
def a_function_with_several_inputs_and_outputs(torch: Any) -> Any:
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any, scale: float) -> Any:
            ctx.save_for_backward(a, b)
            ctx.scale = scale
            return a * b * scale, a + b

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            a, b = ctx.saved_tensors
            needs.append(list(ctx.needs_input_grad))
            return g * b * ctx.scale + h, g * a * ctx.scale + h, None

    needs: list[Any] = []
    x, w = leaf(torch, 1, 2), leaf(torch, 3, 4)
    product, total = Both.apply(x, w, 2.0)
    (product.sum() + total[0]).backward()
    x2 = leaf(torch, 1)
    Both.apply(x2, torch.ones(1, dtype=torch.float64), 1.0)[1].sum().backward()
    return [x.grad.tolist(), w.grad.tolist(), x2.grad.tolist(), needs]


@scenario
def a_function_that_returns_too_few_gradients(torch: Any) -> Any:
    class Short(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = leaf(torch, 1)
    return error(lambda: Short.apply(x, x).sum().backward(), words=9)


@scenario
def a_function_with_a_setup_context(torch: Any) -> Any:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(torch, 3)
    Square.apply(x).sum().backward()
    return x.grad.tolist()


@scenario
def what_a_function_saved_must_not_change(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    a = x * 1
    y = _cube(torch).apply(a)
    a.add_(1)
    return kind(lambda: y.sum().backward())


@scenario
def an_output_that_is_not_differentiable(torch: Any) -> Any:
    class Ranked(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            order = x.argsort()
            ctx.mark_non_differentiable(order)
            return x * 2, order

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            return g * 2

    x = leaf(torch, 2, 1)
    doubled, order = Ranked.apply(x)
    doubled.sum().backward()
    return [order.tolist(), order.requires_grad, x.grad.tolist()]


# Anomaly detection


@scenario
def anomaly_detection_names_the_function(torch: Any) -> Any:
    x = leaf(torch, -1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.detect_anomaly():
            y = (x.sqrt() * 0).sum()
            return error(lambda: y.backward(), words=10)


@scenario
def anomaly_detection_warns_with_the_forward_line(torch: Any) -> Any:
    x = leaf(torch, -1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.set_detect_anomaly(True):
            y = (x.sqrt() * 0).sum()
            kind(y.backward)
    text = str(caught[-1].message)
    return ["x.sqrt() * 0" in text, text.startswith("Error detected in")]


@scenario
def anomaly_detection_sees_the_nan_of_a_number(torch: Any) -> Any:
    x = torch.tensor(-1.0, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.detect_anomaly():
            return error(lambda: torch.sqrt(x).backward(), words=10)


# Gradients where a function has none, and of what has no slope


@scenario
def gradients_at_the_edge_of_a_domain(torch: Any) -> Any:
    found = []
    functions = [torch.atan2, torch.xlogy, torch.special.xlog1py]
    for function in functions:
        for a, b in [(0, 0), (0, 2), (0, -1), (0, -2), (1, 0), (0, math.nan), (0, math.inf)]:
            one, other = leaf(torch, a), leaf(torch, b)
            function(one, other).sum().backward()
            found.append([repr(each.grad.item() + 0.0) for each in (one, other)])
        both = leaf(torch, 0, 2)
        function(both, both).sum().backward()
        found.append(repr(both.grad.tolist()))
    return found


@scenario
def jumps_send_zeros_also_for_an_infinite_gradient(torch: Any) -> Any:
    x = leaf(torch, 0.5, -1.5)
    for function in (torch.sign, torch.floor, torch.round, torch.trunc):
        (function(x) * torch.tensor([math.inf, 1.0])).sum().backward()
    return x.grad.tolist()


@scenario
def elements_equal_to_the_median_share_its_gradient(torch: Any) -> Any:
    found = []
    for values in ([3, 1, 3], [1, 1, 1], [2, 1, 2, 1], [2, math.nan, 2], [math.nan, 1, math.nan]):
        for name in ("median", "nanmedian"):
            x = leaf(torch, *values)
            middle = getattr(x, name)()
            middle.backward()
            found.append([repr(middle.item()), x.grad.tolist(), middle.grad_fn.name()])
    return found


def penalized(torch: Any, function: Callable[[Any], Any]) -> str:
    """What a penalty on a gradient leaves behind in a weight, a bias and a factor."""
    x = torch.tensor([[0.3, -0.2, 0.5], [0.1, 0.4, -0.7], [-0.3, 0.2, 0.6]], requires_grad=True)
    weight = torch.tensor([[0.4, -0.3, 0.2, 0.9], [0.5, 0.1, -0.6, -0.2], [0.7, -0.8, 0.3, 0.1]])
    bias, factor = torch.tensor([0.1, -0.2, 0.3, 0.05]), torch.tensor(1.3)
    leaves = [each.requires_grad_() for each in (weight, bias, factor)]
    out = (function(x @ weight + bias) * factor).sum()
    (gradient,) = torch.autograd.grad(out, x, create_graph=True)
    ((gradient.norm(2, 1) - 1) ** 2).mean().backward()
    return " ".join(
        "None" if each.grad is None else "some" if each.grad.abs().sum() > 1e-6 else "zeros"
        for each in leaves
    )


@scenario
def zeros_or_none_behind_a_penalty_on_a_gradient(torch: Any) -> Any:
    F, zero = torch.nn.functional, torch.zeros(())
    functions = [
        F.relu, F.leaky_relu, F.relu6, F.hardtanh, F.softshrink, F.hardshrink, F.elu, F.tanh,
        lambda h: F.threshold(h, 0.1, 0.0), lambda h: F.prelu(h, torch.tensor([0.2])), torch.abs,
        lambda h: h.clamp(-0.1, 0.1), lambda h: h.max(1).values, lambda h: h.amax(1), torch.median,
        lambda h: torch.where(h > 0, h, zero), lambda h: F.max_pool1d(h[:, None], 2), torch.sign,
        lambda h: F.nll_loss(h, torch.tensor([0, 1, 2])), torch.floor, lambda h: h * h,
        lambda h: F.dropout(h, 0.0), lambda h: torch.copysign(h, torch.ones(4)), lambda h: h**0,
    ]  # fmt: skip
    return [penalized(torch, function) for function in functions]


@scenario
def names_of_nodes(torch: Any) -> Any:
    x, v, pair = leaf(torch, 1, 2, 3, 4).reshape(2, 2), leaf(torch, 1, 2), leaf(torch, 1, 2)[None]
    F, cubes = torch.nn.functional, leaf(torch, *range(1, 9)).reshape(2, 2, 2)
    w, i, image = leaf(torch, 1, 2, 3, 4).reshape(2, 2), torch.tensor([1, 0]), cubes[None]
    made = [
        x @ w, x @ v, v @ v, torch.bmm(cubes, cubes), F.linear(x, w, v), x[0], x[:, 1], x[..., 0],
        x[1:], x[:, 1:], x[0, 1:], x[None], x[:, None], x[...], x[i], x[x > 1], x.select(0, 1),
        x.narrow(0, 1, 1), x.index_select(0, i), x.gather(1, i[:, None]), v.unsqueeze(0),
        pair.squeeze(), pair.squeeze(0), pair.squeeze((0,)), x.transpose(0, 1), x.t(), x.T,
        x.permute(1, 0), x.view(-1), v.expand(2, 2), torch.stack([v, v]), torch.cat([v, v]),
        x.max(), x.min(), x.max(1).values, x.min(1, keepdim=True).values, x.amax(1), x.sum(),
        x.sum(1), x.mean(), x.mean(1), x + 1, 1 + x, x - 1, 1 - x, x * 2, 2 * x, x / 2, x**2, 2**x,
        -x, x.exp(), x.clone(), x.float(), x.masked_fill(x > 1, 0.0), x.softmax(1), F.relu(x),
        F.gelu(x), F.embedding(i, w), F.mse_loss(x, w), F.mse_loss(x, w, reduction="none"),
        F.smooth_l1_loss(x, w), F.huber_loss(x, w), F.l1_loss(x, w), F.cross_entropy(x, i),
        F.nll_loss(x, i), F.binary_cross_entropy(x.sigmoid(), torch.ones(2, 2).double()),
        F.binary_cross_entropy_with_logits(x, torch.ones(2, 2).double()), F.layer_norm(x, (2,)),
        F.batch_norm(x, None, None, training=True), F.group_norm(x, 2), F.pad(x, (1, 1)),
        F.conv2d(image, image), F.dropout(x), x.clone().mul_(2), v.detach() * v,
    ]  # fmt: skip
    nodes = [each.grad_fn for each in made]
    return [[node.name(), type(node).__name__ == node.name()] for node in nodes]


@scenario
def what_comes_next_in_the_graph(torch: Any) -> Any:
    x, v, plain = leaf(torch, 1, 2, 3, 4).reshape(2, 2), leaf(torch, 1, 2), torch.ones(2).double()
    made = [
        x * 2, 2 * x, 1 + x, x - 1, 1 - x, x**2, 2**x, x @ x, x * v, v * plain, plain * v,
        plain + v, plain.reshape(1, 2) @ x, x.sum(), x[0], x.masked_fill(x > 1, 0.0),
        v.detach() / v,
    ]  # fmt: skip
    following = [each.grad_fn.next_functions for each in made]
    leaf_node = v.exp().grad_fn.next_functions[0][0]
    return [
        [[node if node is None else node.name(), at] for node, at in each] for each in following
    ] + [[type(leaf_node).__name__, leaf_node.next_functions == (), leaf_node.variable is v]]


# Inference mode


@scenario
def what_is_made_in_inference_mode(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    with torch.inference_mode():
        made = [x * 2, torch.ones(2), torch.ones(2)[:1], x[:1], torch.zeros(2).add_(1)]
        with torch.inference_mode(False):
            made.append(x * 2)
        inside = torch.is_inference_mode_enabled()
    made += [made[0][:1], made[0].detach(), made[0].clone(), made[0] + 1, made[0] + x]
    return [inside, torch.is_inference_mode_enabled(), [each.is_inference() for each in made]]


@scenario
def inference_tensors_outside_of_inference_mode(torch: Any) -> Any:
    x = leaf(torch, 1, 2)
    with torch.inference_mode():
        z = x * 2
    refused = [
        lambda: z.add_(1), lambda: z.zero_(), lambda: z[:1].mul_(2),
        lambda: z.__setitem__(0, 1.0), lambda: z * x, lambda: torch.dot(x, z), lambda: z._version,
        lambda: z.requires_grad_(), lambda: torch.nn.functional.linear(x, z[None]),
    ]  # fmt: skip
    with torch.no_grad():
        told = [error(lambda: z.add_(1))]
    told += [error(each, words=12) for each in refused]
    (z.clone() * x + z).sum().backward()
    return [told, x.grad.tolist() == z.tolist()]


# Types, numbers, NumPy


@scenario
def dtypes_of_mixed_operands(torch: Any) -> Any:
    i, f, b = torch.tensor([1]), torch.tensor([1.0]), torch.tensor([True])
    d, zero = torch.tensor([1.0], dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    u, h = torch.tensor([1], dtype=torch.uint8), torch.tensor([1], dtype=torch.int8)
    pairs = [(i, f), (i, b), (f, d), (f, zero), (i, zero), (u, h), (b, b), (i, 1.5), (b, 1), (u, 2)]
    return [str((one + other).dtype) for one, other in pairs]


@scenario
def dtypes_of_functions(torch: Any) -> Any:
    i, b = torch.tensor([1, 2]), torch.tensor([True, False])
    made = [i / 2, i // 2, i**2, i**0.5, i.exp(), b.sum(), i.sum(), b + b, i > 1, i.float().mean()]
    return [[str(each.dtype), each.double().mul(1e5).round().tolist()] for each in made]


@scenario
def numbers_from_tensors(torch: Any) -> Any:
    x = torch.tensor([3])
    return [
        int(x), float(x), bool(x), x.item(), [1, 2, 3, 4][torch.tensor(2)],
        kind(lambda: bool(torch.ones(2))), kind(lambda: torch.ones(2).item()),
        kind(lambda: len(torch.tensor(1))), f"{torch.tensor(2.5):.2f}",
    ]  # fmt: skip


@scenario
def from_numpy_shares_memory(torch: Any) -> Any:
    import numpy as np

    array = np.array([1.0, 2.0])
    x = torch.from_numpy(array)
    x.mul_(2)
    array[0] = 50
    return [array.tolist(), x.tolist(), str(x.dtype), kind(lambda: torch.from_numpy([1]))]


@scenario
def numpy_of_what_requires_grad(torch: Any) -> Any:
    return error(lambda: leaf(torch, 1).numpy(), words=8)


@scenario
def printing(torch: Any) -> Any:
    x = torch.tensor([1.0, 2.5], requires_grad=True)
    return [
        str(x), str((x * 2).sum()), str(x.detach()), str(torch.tensor([1, 2])), str(x.shape),
        str(x.dtype), str(x.device), repr(torch.zeros(0, 3)), str(torch.tensor(3.0).double()),
    ]  # fmt: skip


@scenario
def sizes(torch: Any) -> Any:
    x = torch.zeros(2, 3)
    return [
        list(x.size()), x.size(1), x.shape[0], x.numel(), x.dim(), len(x), x.shape.numel(),
        x.stride(), x.t().stride(), x.t().is_contiguous(), x.element_size(),
    ]  # fmt: skip


@scenario
def devices(torch: Any) -> Any:
    x = torch.ones(2)
    return [
        str(x.device), x.to("cpu") is x, x.cpu() is x, x.to(torch.float32) is x,
        str(x.to(torch.float64).dtype), str(x.to("cpu", torch.int64).dtype), x.is_cuda,
        repr(torch.device("cpu")), torch.device("cpu") == torch.device("cpu"),
        str(x.double().type(torch.int32).dtype), x.type(), torch.cuda.is_available(),
    ]  # fmt: skip


@scenario
def iteration_and_containment(torch: Any) -> Any:
    x = torch.tensor([[1, 2], [3, 4]])
    return [[row.tolist() for row in x], 3 in x, 7 in x, x in [x], [*map(int, x[0])]]
