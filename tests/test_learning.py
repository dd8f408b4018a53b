"""What the stepper promises to whoever learns, and what an average of weights is."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import l1_loss
from torch.nn.utils import parameters_to_vector

from medclean.errors import DataError, UsageError
from medclean.learning.ema import EMA
from medclean.learning.recompute import recompute
from medclean.learning.stepper import Stepper
from medclean.losses.adversarial import gradient_penalty, hinge, lsgan
from medclean.losses.pixel import berhu, charbonnier, l1
from tiny import LEARNERS, TRAINABLE, batches, play, tiny

ALL = [*TRAINABLE, *LEARNERS]


def watch(learner):
    """Note turn, batch and the parameters that a gradient reaches, for each update."""
    updates, turns = [], learner.turns

    def losses(turn, batch):
        updates.append((turn, batch, set()))
        return turn.losses(batch)

    learner.turns = lambda progress: [
        replace(turn, losses=partial(losses, turn)) for turn in turns(progress)
    ]
    for parameter in learner.parameters():
        parameter.register_post_accumulate_grad_hook(lambda p: updates[-1][2].add(p))
    return updates


def count_passes(model):
    """Count the forward passes of each network from now on."""
    passes = Counter()
    for name, network in model.named_children():
        network.register_forward_hook(lambda *_, name=name: passes.update([name]))
    return passes


def change(turns, **habits):
    """The turns of a learner with other habits."""
    return lambda progress: tuple(replace(turn, **habits) for turn in turns(progress))


def weights(module):
    return parameters_to_vector(module.parameters()).detach().clone()


@pytest.mark.parametrize("name", ALL)
def test_gradients_reach_the_networks_of_the_turn_and_no_other(name):
    model = tiny(name)
    updates = watch(model)
    play(Stepper(model, steps=2), 2)
    assert {turn.name for turn, *_ in updates} == {turn.name for turn in model.turns(0)}
    assert all(reached == set(turn.parameters()) for turn, _, reached in updates)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_each_repeat_takes_a_fresh_batch_and_the_last_is_at_hand():
    model = tiny("wasserstein")
    updates = watch(model)
    stepper = Stepper(model, steps=1)
    play(stepper, 1)
    seen = [float(batch.noisy.sum()) for _, batch, _ in updates]
    assert "".join(turn.name[0] for turn, *_ in updates) == "cccccg"
    assert len(set(seen)) == stepper.drawn == 5
    assert seen[5] == seen[4]


def test_gan_step_equals_the_hand_written_one():
    ours, theirs = tiny("dgan"), tiny("dgan")
    our_passes, their_passes = count_passes(ours), count_passes(theirs)
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    optimisers = adam(theirs.critic.parameters()), adam(theirs.generator.parameters())
    for batch in islice(batches(), 3):
        pix2pix_step(theirs, batch, *optimisers)
    play(Stepper(ours, steps=3), 3)
    assert our_passes == their_passes == {"generator": 3, "critic": 9}
    expected, got = theirs.state_dict(), ours.state_dict()
    assert all(torch.equal(expected[key], got[key]) for key in expected)


def pix2pix_step(model, batch, critic_optimiser, generator_optimiser):
    """As people write it by hand."""
    fake = model.generator(batch.noisy)
    real_score = model.critic(torch.cat([batch.noisy, batch.clean], dim=1))
    fake_score = model.critic(torch.cat([batch.noisy, fake.detach()], dim=1))
    ones, zeros = torch.ones_like(real_score), torch.zeros_like(real_score)
    critic_optimiser.zero_grad()
    (bce(real_score, ones) + bce(fake_score, zeros)).backward()
    critic_optimiser.step()
    fake_score = model.critic(torch.cat([batch.noisy, fake], dim=1))
    distances = (fake - batch.clean).abs().mean((1, 2, 3))
    generator_optimiser.zero_grad()
    (bce(fake_score, ones) + (100 * distances).mean()).backward()
    generator_optimiser.step()


def test_shared_is_made_anew_for_those_who_learn_after_its_makers_moved():
    model = tiny("dgan")
    critic, generator = model.turns(1.0)
    again = replace(generator, name="again")
    model.turns = lambda progress: (generator, critic, again)
    passes, updates = count_passes(model), watch(model)
    play(Stepper(model, steps=1), 1)
    fakes = [batch.shared["fake"] for _, batch, _ in updates]
    assert passes["generator"] == 2
    assert [fake.requires_grad for fake in fakes] == [True, False, True]
    assert torch.equal(fakes[0], fakes[1])
    assert not torch.equal(fakes[1], fakes[2])


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in ALL), ("dgan", {"optimiser": "muon"})]
)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_resumed_run_equals_the_unbroken_one(name, options, precision):
    make = partial(Stepper, steps=6, precision=precision)
    unbroken, broken, resumed = (
        make(tiny(name, **options).to(memory_format=torch.channels_last)) for _ in range(3)
    )
    play(unbroken, 6)
    play(broken, 3)
    torch.manual_seed(99)
    resumed.learner.load_state_dict(broken.learner.state_dict())
    saved = broken.training_state()  # a file keeps no memory format
    resumed.load_training_state({key: value.contiguous() for key, value in saved.items()})
    play(resumed, 3)
    expected, got = (s.learner.state_dict() | s.training_state() for s in (unbroken, resumed))
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[key], got[key]) for key in expected)


def test_accumulated_batches_equal_a_large_one():
    whole, parts = (Stepper(tiny("rrg"), steps=3, accumulate=k) for k in (1, 4))
    for batch in islice(batches(), 3):
        single = zip(batch.noisy.split(1), batch.clean.split(1), strict=True)
        row = whole.step(iter([batch]))
        same = parts.step(replace(batch, noisy=n, reference=c) for n, c in single)
        torch.testing.assert_close(row, same)
    assert (whole.drawn, parts.drawn) == (3, 12)
    torch.testing.assert_close(weights(parts.learner), weights(whole.learner), rtol=0, atol=1e-5)


def test_accumulation_shares_once_a_batch_and_turn():
    model = tiny("dgan")
    passes = count_passes(model)
    play(Stepper(model, steps=1, accumulate=3), 1)
    assert passes == {"generator": 6, "critic": 9}


def test_clamp_rate_and_optimiser_are_the_players_own():
    model = tiny("wasserstein")
    stepper = Stepper(model, steps=1, lr=1e-3)
    play(stepper, 1)
    optimisers = stepper.optimisers
    assert {k: type(o).__name__ for k, o in optimisers.items()} == {
        "critic": "RMSprop",
        "generator": "Adam",
    }
    assert optimisers["critic"].defaults["alpha"] == 0.9
    assert optimisers["generator"].defaults["betas"] == (0.5, 0.999)
    assert optimisers["critic"].param_groups[0]["lr"] == 4 * 1e-3
    assert weights(model.critic).abs().max() <= 0.01 < weights(model.generator).abs().max()


def test_unknown_optimiser_is_refused():
    model = tiny("rrg")
    model.turns = change(model.turns, optimiser={"name": "adm"})
    with pytest.raises(UsageError, match="did you mean 'adam'"):
        Stepper(model, steps=1)


def test_rate_and_clip_bound_a_step():
    model = tiny("rrg")
    model.turns = change(model.turns, optimiser={"name": "sgd"})
    stepper, moved = Stepper(model, steps=3, clip=0.01), []
    for rate in (1.0, 2.0, 0.0):
        before, stepper.lr = weights(model), rate
        play(stepper, 1)
        moved.append(float((weights(model) - before).norm()))
    assert moved == pytest.approx([0.01, 0.02, 0.0], rel=1e-3)


def test_bf16_computes_in_bf16_and_keeps_float32_weights():
    model = tiny("rrg")
    seen = []
    model.generator.groups.register_forward_hook(lambda *args: seen.append(args[-1].dtype))
    (row,) = play(Stepper(model, steps=1, precision="bf16"), 1)
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert row["generator/content"].dtype == torch.float32
    assert not row["generator/content"].requires_grad


def test_an_update_that_overflows_in_fp16_is_left_out_and_the_next_is_scaled_less():
    stepper = Stepper(tiny("rrg"), steps=4, precision="fp16")
    before = weights(stepper.learner)
    (scaler,) = stepper.scalers.values()
    scaler.load_state_dict(scaler.state_dict() | {"scale": 1e38})
    play(stepper, 1)
    assert torch.equal(weights(stepper.learner), before)
    resumed = Stepper(tiny("rrg"), steps=4, precision="fp16")
    resumed.load_training_state(stepper.training_state())
    (scaler,) = resumed.scalers.values()
    assert scaler.get_scale() == pytest.approx(5e37)
    scaler.load_state_dict(scaler.state_dict() | {"scale": 1024.0})
    play(resumed, 1)
    assert not torch.equal(weights(resumed.learner), before)


def test_recomputed_activations_change_nothing():
    plain, frugal = (Stepper(tiny("dgan"), steps=2) for _ in range(2))
    assert frugal.learner.segments
    kept = frugal.learner.segments[0]
    seen = []
    kept.units[0].register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    recompute(frugal.learner.segments)
    rows = [play(stepper, 2) for stepper in (plain, frugal)]
    assert rows[0] == rows[1]
    assert torch.equal(weights(plain.learner), weights(frugal.learner))
    assert len(seen) == 4  # two steps, in each once for the fake and once for its gradient


def test_gradient_penalty_is_the_distance_of_slopes_from_one():
    """A linear critic has the same slope everywhere."""
    slope = torch.tensor([[[[3.0, 0.0], [0.0, 4.0]]]], requires_grad=True)
    real, fake = torch.rand(2, 3, 1, 2, 2)

    def critic(images):
        return (images * slope).sum((1, 2, 3))

    with torch.autocast("cpu", torch.bfloat16):
        penalty = gradient_penalty(critic, real, fake)
    assert penalty.dtype == torch.float32
    assert float(penalty.detach()) == pytest.approx((5 - 1) ** 2, rel=1e-5)
    penalty.backward()
    assert slope.grad.abs().sum() > 0


def test_who_rests_does_not_move():
    model = tiny("dgan", alone=0.5)
    stepper, before = Stepper(model, steps=4), weights(model.critic)
    alone = play(stepper, 2)
    assert all(row.keys() == {"generator/content"} for row in alone)
    assert torch.equal(weights(model.critic), before)
    assert play(stepper, 1)[0].keys() > {"critic/real", "critic/fake", "generator/adversarial"}
    assert not torch.equal(weights(model.critic), before)


def test_steps_draw_from_seed_and_number_alone():
    def learnt(seed, state):
        torch.manual_seed(state)
        stepper = Stepper(tiny("cycle"), steps=2, seed=seed)
        play(stepper, 2)
        return weights(stepper.learner)

    assert torch.equal(learnt(1, 5), learnt(1, 6))
    assert not torch.equal(learnt(1, 5), learnt(2, 5))


def test_data_without_clean_images_is_refused_where_they_are_needed():
    with pytest.raises(DataError, match="learns from clean images"):
        Stepper(tiny("rrg"), steps=1).step(replace(b, reference=None) for b in batches())


def test_average_follows_the_weights():
    model = tiny("rrg")
    ema, start = EMA(model, decay=0.5), weights(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    for _ in range(20):
        ema.update()
    with ema.swapped():
        torch.testing.assert_close(weights(model), start + 1)
    ema = EMA(model, decay=0.999)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    ema.update()
    with ema.swapped():  # the first average keeps a tenth, so that short runs count
        torch.testing.assert_close(weights(model), start + 1.9)


def test_average_is_swapped_in_and_out_and_resumed():
    model = tiny("dgan")
    stepper, ema = Stepper(model, steps=3), EMA(model)
    for _ in range(3):
        play(stepper, 1)
        ema.update()
    own, before = {k: v.clone() for k, v in model.state_dict().items()}, weights(model)
    with suppress(KeyError), ema.swapped():
        assert not torch.equal(weights(model), before)
        raise KeyError("a failure meanwhile")
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())
    other = EMA(tiny("dgan"))
    other.load_state_dict(ema.state_dict())
    assert other.updates == 3
    assert all(torch.equal(a, other.averages[name]) for name, a in ema.averages.items())


def test_hand_written_losses_are_what_they_say():
    one, two = torch.rand(2, 3, 1, 5, 5)
    assert l1(one, two).mean() == pytest.approx(float(l1_loss(one, two)))
    torch.testing.assert_close(charbonnier(one, two), l1(one, two), atol=1e-3, rtol=0)
    assert charbonnier(one, one).tolist() == pytest.approx([1e-3] * 3)
    scores = torch.tensor([-2.0, 0.5])
    assert (lsgan(scores, real=True), lsgan(scores, real=False)) == (4.625, 2.125)
    assert (hinge(scores, real=True), hinge(scores, real=False)) == (1.75, 0.75)


def test_berhu_is_the_distance_of_small_errors_and_the_square_of_large_ones():
    clean = torch.zeros(2, 1, 1, 4)
    off = torch.tensor([[0.0, -0.1, 0.2, 1.0], [0.0, 0.0, 0.0, 0.0]]).view(2, 1, 1, 4)
    off.requires_grad_()
    found = berhu(off, clean)
    assert found.tolist() == pytest.approx([(0.1 + 0.2 + (1 + 0.04) / 0.4) / 4, 0])
    found.sum().backward()
    assert (4 * off.grad).flatten().tolist() == pytest.approx([0, -1, 1, 5, 0, 0, 0, 0])
    assert berhu(7 * off, clean).tolist() == pytest.approx((7 * found).tolist())
