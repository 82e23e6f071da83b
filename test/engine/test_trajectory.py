"""Trajectories: against a second, slow implementation on matrices, and against numbers of evo."""

from __future__ import annotations

import math
import random
import time
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.comparison.trajectory import (
    RELATIONS,
    Trajectory,
    absolute_pose_error,
    align,
    alignment_of,
    associate,
    pose_pairs,
    relative_pose_error,
)
from lk_dataset_ros.comparison.trajectory.pairs import _consecutive
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Column, Columns

if TYPE_CHECKING:
    from collections.abc import Callable

S = 1_000_000_000


def unit(quaternion: list[float]) -> list[float]:
    """Return a quaternion of length 1."""
    norm = math.sqrt(sum(each * each for each in quaternion))
    return [each / norm for each in quaternion]


def drives(
    seed: int, count: int = 240, *, noise: float = 0.02, offset_ns: int = 0
) -> tuple[Trajectory, Trajectory]:
    """Make a drive, and the same as another sensor sees it.

    The other has a rate, drop-outs, jitter, noise and a frame of its own. Numbers come from
    `random.Random`, whose sequence Python guarantees.
    """
    rng = random.Random(seed)
    rates = rng.uniform(0.7, 1.4), rng.uniform(0.7, 1.4)
    wave = [rng.uniform(0.2, 1.5) for _ in range(6)]
    sides = []
    for side, rate in enumerate(rates):
        stamps, positions, quaternions = [], [], []
        for index in range(int(count * rate)):
            if rng.random() < 0.08:
                continue
            at = 12.0 * index / (count * rate)
            stamp_ns = int(at * S) + rng.randrange(-4_000_000, 4_000_000)
            place = [
                20.0 * math.sin(wave[0] * at),
                12.0 * math.sin(wave[1] * at + 1.0),
                1.5 * math.sin(wave[2] * at),
            ]
            turn = [
                math.sin(wave[3] * at) * 0.4,
                math.sin(wave[4] * at) * 0.3,
                math.sin(0.5 * wave[5] * at),
                math.cos(0.5 * wave[5] * at),
            ]
            if side:
                place = [each + rng.gauss(0.0, noise) for each in place]
                turn = [each + rng.gauss(0.0, 0.2 * noise) for each in turn]
                stamp_ns += offset_ns
            stamps.append(stamp_ns)
            positions.append(place)
            quaternions.append(unit(turn))
        sides.append(Trajectory(np.array(stamps), np.array(positions), np.array(quaternions)))
    return sides[0], sides[1]


def matrices(poses: Trajectory) -> list[np.ndarray]:
    """Return poses as 4x4 matrices, by the formula of the textbooks."""
    found = []
    for place, (x, y, z, w) in zip(poses.positions, poses.quaternions_xyzw, strict=True):
        skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        matrix = np.eye(4)
        matrix[:3, :3] += 2 * w * skew + 2 * skew @ skew
        matrix[:3, 3] = place
        found.append(matrix)
    return found


def error_of(relation: str, matrix: np.ndarray) -> float:
    """Return what a relation says of the matrix of an error."""
    turn = matrix[:3, :3]
    if relation == 'translation':
        return float(np.linalg.norm(matrix[:3, 3]))
    if relation == 'rotation_part':
        return float(np.linalg.norm(turn - np.eye(3)))
    if relation == 'full':
        return float(np.linalg.norm(matrix - np.eye(4)))
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    return math.atan2(float(np.linalg.norm(axis)), float(np.trace(turn)) - 1.0)


def slow_absolute(original: Trajectory, compiled: Trajectory, relation: str) -> np.ndarray:
    """Compute absolute errors pose by pose."""
    return np.array(
        [
            error_of(relation, np.linalg.inv(mine) @ theirs)
            for mine, theirs in zip(matrices(compiled), matrices(original), strict=True)
        ]
    )


def slow_relative(
    original: Trajectory, compiled: Trajectory, relation: str, pairs: list[tuple[int, int]]
) -> np.ndarray:
    """Compute relative errors pair by pair."""
    left, right = matrices(original), matrices(compiled)
    return np.array(
        [
            error_of(
                relation,
                np.linalg.inv(np.linalg.inv(left[i]) @ left[j])
                @ (np.linalg.inv(right[i]) @ right[j]),
            )
            for i, j in pairs
        ]
    )


def slow_partners(few: list[int], many: list[int], most: int) -> list[tuple[int, int]]:
    """Pair stamps one by one: the nearest; the earlier of two.

    Of equal ones it is that which stands next to where the stamp would be inserted.
    """
    found = []
    ascends = all(b >= a for a, b in pairwise(many))
    for index, stamp in enumerate(few):
        if not many:
            continue

        def rank(at: int, stamp: int = stamp) -> tuple[int, int, int]:
            apart = abs(many[at] - stamp)
            if not ascends:
                return apart, at, 0
            return apart, many[at], at if many[at] > stamp else -at

        best = min(range(len(many)), key=rank)
        if ascends and len(many) > 1 and many[-1] == many[-2] == stamp:
            best = len(many) - 2
        if abs(many[best] - stamp) <= most:
            found.append((index, best))
    return found


def at_stamps(stamps_ns: list[int]) -> Trajectory:
    """Make poses whose place tells their index."""
    count = len(stamps_ns)
    positions = np.arange(3.0 * count).reshape(count, 3)
    return Trajectory(np.array(stamps_ns, np.int64), positions, np.zeros((count, 4)))


STAMPS = st.lists(st.integers(0, 60), max_size=12)


@given(STAMPS, STAMPS, st.integers(0, 9), st.integers(-9, 9), st.booleans())
def test_association_is_the_nearest_in_time(
    left: list[int], right: list[int], most: int, offset: int, is_sorted: bool
) -> None:
    """Promise: each pose of the side that has fewer gets the nearest, by brute force."""
    if is_sorted:
        left, right = sorted(left), sorted(right)
    pairs = associate(at_stamps(left), at_stamps(right), max_difference_ns=most, offset_ns=offset)
    moved = [each + offset for each in right]
    if len(right) > len(left):
        expected = slow_partners(left, moved, most)
    else:
        expected = [(j, i) for i, j in slow_partners(moved, left, most)]
    found = [
        (int(a) // 3, int(b) // 3)
        for a, b in zip(
            pairs.original.positions[:, 0], pairs.compiled.positions[:, 0], strict=True
        )
    ]
    assert found == expected
    assert pairs.original.stamps_ns.tolist() == [left[i] for i, _ in expected]
    assert pairs.compiled.stamps_ns.tolist() == [right[j] for _, j in expected]


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('relation', RELATIONS)
def test_errors_agree_with_matrices(seed: int, relation: str) -> None:
    """Promise: errors are those that 4x4 matrices give, one by one."""
    pairs = associate(*drives(seed))
    assert len(pairs.original) > 60
    found = absolute_pose_error(*pairs, relation)
    assert found.errors == pytest.approx(slow_absolute(*pairs, relation), abs=1e-12)
    assert found.stamps_ns is pairs.original.stamps_ns
    for delta, all_pairs in ((1, False), (7, False), (5, True)):
        steps = range(0, len(pairs.original) - delta, 1 if all_pairs else delta)
        expected = [(i, i + delta) for i in steps]
        moved = relative_pose_error(*pairs, relation, delta=delta, all_pairs=all_pairs)
        assert moved.errors == pytest.approx(slow_relative(*pairs, relation, expected), abs=1e-12)
        assert moved.stamps_ns.tolist() == [int(pairs.original.stamps_ns[j]) for _, j in expected]


def slow_steps(poses: Trajectory, unit_name: str) -> list[float]:
    """Return how far it is from each pose to the next."""
    if unit_name == 's':
        return [float(each) for each in np.diff(poses.stamps_ns)]
    if unit_name == 'm':
        return [float(np.linalg.norm(b - a)) for a, b in pairwise(poses.positions)]
    return [slow_turn(a, b) for a, b in pairwise(matrices(poses))]


def slow_turn(one: np.ndarray, other: np.ndarray) -> float:
    """Return the angle between two poses."""
    return error_of('rotation_angle', np.linalg.inv(one) @ other)


def slow_pairs(
    poses: Trajectory, delta: float, unit_name: str, all_pairs: bool, tolerance: float
) -> list[tuple[int, int]]:
    """Choose pairs by their definition."""
    goal = {'deg': math.radians(delta), 's': delta * S}.get(unit_name, delta)
    if unit_name in ('rad', 'deg') and all_pairs:
        turns = list(enumerate(matrices(poses)))
        return [
            (i, j)
            for i, one in turns
            for j, other in turns[i + 1 :]
            if abs(slow_turn(one, other) - goal) <= goal * tolerance
        ]
    steps = slow_steps(poses, unit_name)
    if all_pairs:
        way = np.concatenate(([0.0], np.cumsum(steps)))
        found = []
        for i in range(len(steps)):
            best = min(range(i + 1, len(way)), key=lambda j: abs(way[j] - way[i] - goal))
            if abs(way[best] - way[i] - goal) <= goal * tolerance:
                found.append((i, best))
        return found
    found, start, total = [], 0, 0.0
    for i, step in enumerate(steps):
        total += step
        if total >= goal:
            found.append((start, i + 1))
            start, total = i + 1, 0.0
    return found


@pytest.mark.parametrize('all_pairs', [False, True])
@pytest.mark.parametrize(
    ('delta', 'unit_name'), [(1.5, 'm'), (0.25, 's'), (0.3, 'rad'), (12.0, 'deg'), (300.0, 'm')]
)
@pytest.mark.parametrize('seed', [1, 2])
def test_pairs_are_those_of_the_definition(
    seed: int, delta: float, unit_name: str, all_pairs: bool
) -> None:
    """Promise: pairs by way, time and turn are those that brute force chooses."""
    _, poses = drives(seed, 90)
    poses = poses.taken(np.argsort(poses.stamps_ns))
    found = pose_pairs(poses, delta=delta, unit=unit_name, all_pairs=all_pairs, tolerance=0.15)
    expected = slow_pairs(poses, delta, unit_name, all_pairs, 0.15)
    assert list(zip(*(each.tolist() for each in found), strict=True)) == expected


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]), max_size=14),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 3.0]),
)
def test_pairs_of_a_robot_that_stands_still(
    steps: list[float], all_pairs: bool, tolerance: float
) -> None:
    """Promise: where the robot stands, of many equally good ends the first is taken."""
    places = np.cumsum([0.0, *steps])
    positions = np.stack([places, places * 0, places * 0], axis=1)
    poses = Trajectory(np.arange(len(places)), positions, np.zeros((len(places), 4)))
    found = pose_pairs(poses, delta=1.0, unit='m', all_pairs=all_pairs, tolerance=tolerance)
    expected = slow_pairs(poses, 1.0, 'm', all_pairs, tolerance)
    assert list(zip(*(each.tolist() for each in found), strict=True)) == expected


def test_even_steps_end_where_a_running_sum_ends() -> None:
    """Promise: each pair's way is a sum of its own, so that even steps make even pairs."""
    positions = np.zeros((200, 3))
    positions[:, 0] = np.arange(200) * 0.125 + 1e6
    poses = Trajectory(np.arange(200), positions, np.zeros((200, 4)))
    assert np.diff(pose_pairs(poses, delta=1.0, unit='m').first).tolist() == [8] * 23
    found = _consecutive([0.1] * 100, 0.7)
    assert set((found.second - found.first).tolist()) == {8 if sum([0.1] * 7) < 0.7 else 7}


@pytest.mark.parametrize('angle', [1e-15, 1e-12, 1e-9, 1e-5, 0.3, 3.1, math.pi])
def test_small_angles_are_exact(angle: float) -> None:
    """Promise: an angle of 1e-12 rad is found to its last digits, where arccos finds 0."""
    turned = np.array([[math.sin(angle / 2), 0.0, 0.0, math.cos(angle / 2)]])
    still = Trajectory(np.array([0]), np.zeros((1, 3)), np.array([[0.0, 0.0, 0.0, 1.0]]))
    for sign in (1.0, -1.0):
        compiled = Trajectory(np.array([0]), np.zeros((1, 3)), sign * 3.0 * turned)
        found = absolute_pose_error(still, compiled, 'rotation_angle')
        assert found.max == pytest.approx(angle, rel=1e-13)
        part = absolute_pose_error(still, compiled, 'rotation_part')
        assert part.max == pytest.approx(math.sqrt(8.0) * math.sin(angle / 2), rel=1e-13)


def test_statistics() -> None:
    """Promise: statistics are those of the errors, and NaN of none."""
    errors = absolute_pose_error(*associate(*drives(4)))
    plain = errors.errors.tolist()
    assert errors.sse == pytest.approx(sum(each**2 for each in plain))
    assert errors.rmse == pytest.approx(math.sqrt(sum(each**2 for each in plain) / len(plain)))
    assert errors.mean == pytest.approx(sum(plain) / len(plain))
    assert errors.std == pytest.approx(math.sqrt(errors.rmse**2 - errors.mean**2))
    assert errors.median == pytest.approx(sorted(plain)[len(plain) // 2], rel=0.05)
    assert (errors.min, errors.max, len(errors)) == (min(plain), max(plain), len(plain))
    assert errors.unit == 'm'
    empty = absolute_pose_error(at_stamps([]), at_stamps([]))
    assert math.isnan(empty.rmse)
    assert math.isnan(empty.max)
    assert empty.sse == 0.0


@pytest.mark.parametrize('scale', [1.0, 0.35])
@pytest.mark.parametrize('seed', range(4))
def test_alignment_finds_what_was_done(seed: int, scale: float) -> None:
    """Promise: a trajectory that was scaled, turned and moved is put back where it was."""
    original, _ = drives(seed)
    rng = random.Random(seed)
    turn = np.array(unit([rng.gauss(0, 1) for _ in range(4)]))
    carrier = Trajectory(np.array([0]), np.array([[3.0, -80.0, 7.0]]), turn[np.newaxis])
    (matrix,) = matrices(carrier)
    poses = [matrix @ each for each in matrices(original)]
    positions = scale * np.array([each[:3, 3] for each in poses])
    # Orientations through products of quaternions, written out.
    x, y, z, w = turn
    left = np.array([[w, -z, y, x], [z, w, -x, y], [-y, x, w, z], [-x, -y, -z, w]])
    moved = Trajectory(original.stamps_ns, positions, original.quaternions_xyzw @ left.T)
    back = align(original, moved, correct_scale=scale != 1.0)
    assert back.positions == pytest.approx(original.positions, abs=1e-11)
    assert absolute_pose_error(original, back, 'rotation_angle').max < 1e-13
    assert alignment_of(original, moved, correct_scale=True).scale == pytest.approx(1 / scale)
    if scale == 1.0:
        start = align(original, moved, by='origin')
        assert start.positions == pytest.approx(original.positions, abs=1e-11)
        assert absolute_pose_error(original, start, 'full').max < 1e-11


@pytest.mark.parametrize('is_mirrored', [False, True])
@pytest.mark.parametrize('seed', range(4))
def test_alignment_is_the_best_there_is(seed: int, is_mirrored: bool) -> None:
    """Promise: no small turn or move brings the positions nearer, of a mirrored drive neither."""
    original, compiled = associate(*drives(seed, noise=3.0))
    if is_mirrored:
        compiled.positions[:, 2] *= -1.0
    aligned = align(original, compiled, n=90)
    sse = float(np.square(aligned.positions[:90] - original.positions[:90]).sum())
    rng = np.random.default_rng(seed)
    for _ in range(30):
        turn = np.append(rng.normal(size=3) * 1e-3, 1.0)
        nudge = Trajectory(np.array([0]), rng.normal(size=(1, 3)) * 1e-2, turn[np.newaxis])
        (matrix,) = matrices(nudge)
        positions = aligned.positions[:90] @ matrix[:3, :3].T + matrix[:3, 3]
        assert np.square(positions - original.positions[:90]).sum() > sse


#: What evo 1.38.1 gave for `drives(seed, ...)`: case = number of errors, rmse, mean, max.
GOLD = """
0 none ape translation 1 frames each = 137 0.08432634578477 0.07040989743048 0.2136142727409
0 positions ape translation 1 frames each = 137 0.08366283764929 0.06999327664392 0.2046006669896
0 positions ape rotation_angle 1 frames each = 137 0.01407450197631 0.01288812831903 0.03266451712045
0 scale ape full 1 frames each = 137 0.08595869334761 0.07357810070693 0.2055138431488
0 origin ape rotation_part 1 frames each = 137 0.03048532952637 0.02828570654397 0.06410586053626
0 first ape translation 1 frames each = 137 0.08688232946478 0.07427878073114 0.2067255754967
1 none ape translation 1 frames each = 90 0.1289418980069 0.1047285760097 0.3030428561288
1 positions ape translation 1 frames each = 90 0.1288381155794 0.1044456263892 0.3003426696352
1 positions ape rotation_angle 1 frames each = 90 0.01581782739983 0.01461056201399 0.03165679243895
1 scale ape full 1 frames each = 90 0.1306188489585 0.1075338257216 0.3025427664317
1 origin ape rotation_part 1 frames each = 90 0.02542748846565 0.02346938793475 0.04723343514251
1 first ape translation 1 frames each = 90 0.1289006174979 0.1043977542906 0.2998750812724
2 none ape translation 1 frames each = 163 0.04555199667024 0.04115836640648 0.09679842538649
2 positions ape translation 1 frames each = 163 0.04313559769932 0.03931269107253 0.09220404784842
2 positions ape rotation_angle 1 frames each = 163 0.01438779122198 0.01344352239084 0.02828515198528
2 scale ape full 1 frames each = 163 0.04691415358499 0.0442327178145 0.09868730881354
2 origin ape rotation_part 1 frames each = 163 0.02909311274602 0.0272767384186 0.05667780668822
2 first ape translation 1 frames each = 163 0.06208334251778 0.05725371080075 0.1067169034097
3 none ape translation 1 frames each = 76 0.09062080589826 0.07815323855835 0.1843255692112
3 positions ape translation 1 frames each = 76 0.09023501995107 0.07801230580409 0.1852332906717
3 positions ape rotation_angle 1 frames each = 76 0.0143946050842 0.01253765365407 0.03596771313272
3 scale ape full 1 frames each = 76 0.09226655349272 0.08083781185114 0.1880963394769
3 origin ape rotation_part 1 frames each = 76 0.03293528186472 0.03132280651141 0.06292422439588
3 first ape translation 1 frames each = 76 0.09065539033672 0.07829612705254 0.18571921573
4 none ape translation 1 frames each = 55 0.07673369110724 0.06353215412547 0.2045316410384
4 positions ape translation 1 frames each = 55 0.07650795249076 0.06319388699525 0.1993879994091
4 positions ape rotation_angle 1 frames each = 55 0.016647406585 0.01509801908123 0.03226915838752
4 scale ape full 1 frames each = 55 0.07992951214036 0.06791438266107 0.2034118104444
4 origin ape rotation_part 1 frames each = 55 0.02853687994961 0.02647881408205 0.04900198384756
4 first ape translation 1 frames each = 55 0.07651218561447 0.06319006501756 0.1987609661673
0 none rpe translation 1 frames each = 136 0.0916915476238 0.06620888015704 0.3943063218648
0 none rpe rotation_angle 1 frames each = 136 0.01928131330214 0.01753658823403 0.04094844163528
0 none rpe translation 10 frames all = 127 0.1451557632154 0.1240562174561 0.5346601715943
0 none rpe rotation_angle 10 frames all = 127 0.02004090173858 0.01849226058855 0.04261987128778
0 none rpe full 2.5 m each = 31 0.1803884612782 0.1618008631036 0.3946294074974
0 none rpe rotation_part 2.5 m all = 65 0.02896666951885 0.02628714201238 0.05518854802017
0 none rpe translation 0.2 rad each = 33 0.1770568679255 0.1557464589796 0.36239065895
0 none rpe rotation_angle 15 deg all = 48 0.02366713847795 0.02269807536086 0.03902667320146
1 none rpe translation 1 frames each = 89 0.2192291805415 0.1874257037793 0.5653118941732
1 none rpe rotation_angle 1 frames each = 89 0.02400208677014 0.0222042113953 0.04302804509643
1 none rpe translation 10 frames all = 80 0.3388155091821 0.3058187433739 0.8036993443325
1 none rpe rotation_angle 10 frames all = 80 0.02301276955762 0.021670358944 0.04518557622358
1 none rpe full 2.5 m each = 46 0.1780666864295 0.1591296737225 0.3518272231708
1 none rpe rotation_part 2.5 m all = 25 0.03184774736343 0.0295338547806 0.05091226626195
1 none rpe translation 0.2 rad each = 50 0.1547469724908 0.1196663978623 0.5120637448686
1 none rpe rotation_angle 15 deg all = 45 0.02160517165429 0.01973895714812 0.04908015091351
2 none rpe translation 1 frames each = 162 0.05231178633253 0.04776148775327 0.1661932182551
2 none rpe rotation_angle 1 frames each = 162 0.0189373386492 0.01766112183788 0.03715354274544
2 none rpe translation 10 frames all = 153 0.07508295201387 0.06340353678712 0.2286567206105
2 none rpe rotation_angle 10 frames all = 153 0.01948320192418 0.01797568535311 0.04105884100534
2 none rpe full 2.5 m each = 18 0.07737640950334 0.06977920398548 0.1672829890859
2 none rpe rotation_part 2.5 m all = 140 0.02633307110195 0.02429492549188 0.05204820650088
2 none rpe translation 0.2 rad each = 36 0.05675464923035 0.05054542406451 0.1661932182551
2 none rpe rotation_angle 15 deg all = 201 0.01801825347414 0.01684975007791 0.03915287838528
3 none rpe translation 1 frames each = 75 0.1487135944078 0.1368135224357 0.3158545145851
3 none rpe rotation_angle 1 frames each = 75 0.02094562456863 0.01883091867296 0.04683519672895
3 none rpe translation 10 frames all = 66 0.2641932177578 0.2283231451266 0.8939950334577
3 none rpe rotation_angle 10 frames all = 66 0.0205004534479 0.0186833839897 0.0385633812484
3 none rpe full 2.5 m each = 37 0.111286988238 0.09829054556075 0.2172040693556
3 none rpe rotation_part 2.5 m all = 27 0.02768835186966 0.02521194618496 0.06622891687777
3 none rpe translation 0.2 rad each = 46 0.1068116251568 0.0927538175028 0.2117655602383
3 none rpe rotation_angle 15 deg all = 35 0.0187497346243 0.0167082508049 0.04683519672895
4 none rpe translation 1 frames each = 54 0.1293737739426 0.1060185270911 0.3720234468548
4 none rpe rotation_angle 1 frames each = 54 0.02472119044664 0.0226561253488 0.05029985419816
4 none rpe translation 10 frames all = 45 0.3313027604093 0.2772023887875 0.793967828387
4 none rpe rotation_angle 10 frames all = 45 0.02437828436699 0.02222396901846 0.04993103536776
4 none rpe full 2.5 m each = 22 0.1665313108308 0.1498696386903 0.324941137514
4 none rpe rotation_part 2.5 m all = 7 0.0460490744611 0.04023519113216 0.07112723721955
4 none rpe translation 0.2 rad each = 27 0.168391761285 0.1397728888926 0.3720234468548
4 none rpe rotation_angle 15 deg all = 3 0.03512237923345 0.03055960786889 0.05029985419816
"""


def gold() -> dict[str, tuple[int, float, float, float]]:
    """Return the table by case."""
    found = {}
    for line in GOLD.strip().splitlines():
        case, numbers = line.split(' = ')
        count, *rest = numbers.split()
        rmse, mean, largest = map(float, rest)
        found[case] = (int(count), rmse, mean, largest)
    return found


def evaluate(case: str) -> Any:
    """Compute what a case of GOLD names."""
    seed, aligned, metric, relation, delta, unit_name, all_pairs = case.split()
    offset_ns = 3 * S * (int(seed) % 2)
    original, compiled = drives(int(seed), offset_ns=offset_ns)
    pairs = associate(original, compiled, max_difference_ns=10_000_000, offset_ns=-offset_ns)
    moved = pairs.compiled
    if aligned != 'none':
        moved = align(
            pairs.original,
            moved,
            by='origin' if aligned == 'origin' else 'positions',
            correct_scale=aligned == 'scale',
            n=50 if aligned == 'first' else None,
        )
    if metric == 'ape':
        return absolute_pose_error(pairs.original, moved, relation)
    return relative_pose_error(
        pairs.original,
        moved,
        relation,
        delta=float(delta),
        unit=unit_name,
        all_pairs=all_pairs == 'all',
    )


def cases() -> list[str]:
    """Return the cases of GOLD."""
    found = [
        f'{seed} {aligned} ape {relation} 1 frames each'
        for seed in range(5)
        for relation, aligned in (
            ('translation', 'none'),
            ('translation', 'positions'),
            ('rotation_angle', 'positions'),
            ('full', 'scale'),
            ('rotation_part', 'origin'),
            ('translation', 'first'),
        )
    ]
    return found + [
        f'{seed} none rpe {relation} {delta} {unit_name} {which}'
        for seed in range(5)
        for relation, delta, unit_name, which in (
            ('translation', 1, 'frames', 'each'),
            ('rotation_angle', 1, 'frames', 'each'),
            ('translation', 10, 'frames', 'all'),
            ('rotation_angle', 10, 'frames', 'all'),
            ('full', 2.5, 'm', 'each'),
            ('rotation_part', 2.5, 'm', 'all'),
            ('translation', 0.2, 'rad', 'each'),
            ('rotation_angle', 15, 'deg', 'all'),
        )
    ]


@pytest.mark.parametrize('case', gold())
def test_numbers_are_those_of_evo(case: str) -> None:
    """Promise: rmse, mean and maximum agree with evo's to 1e-9, same pairs included."""
    found = evaluate(case)
    count, rmse, mean, largest = gold()[case]
    assert len(found) == count
    assert found.rmse == pytest.approx(rmse, rel=0, abs=1e-9)
    assert found.mean == pytest.approx(mean, rel=0, abs=1e-9)
    assert found.max == pytest.approx(largest, rel=0, abs=1e-9)


def evo_errors(case: str) -> Any:
    """Let evo compute what a case of GOLD names."""
    metrics, sync, trajectory, units_of_evo = (
        import_module(f'evo.core.{name}') for name in ('metrics', 'sync', 'trajectory', 'units')
    )
    unit_of = units_of_evo.Unit
    seed, aligned, metric, relation, delta, unit_name, all_pairs = case.split()
    offset_ns = 3 * S * (int(seed) % 2)
    reference, estimate = sync.associate_trajectories(
        *(
            trajectory.PoseTrajectory3D(
                each.positions, each.quaternions_xyzw[:, [3, 0, 1, 2]], each.stamps_ns / 1e9
            )
            for each in drives(int(seed), offset_ns=offset_ns)
        ),
        max_diff=0.01,
        offset_2=-offset_ns / 1e9,
    )
    if aligned == 'origin':
        estimate.align_origin(reference)
    elif aligned != 'none':
        estimate.align(
            reference, correct_scale=aligned == 'scale', n=50 if aligned == 'first' else -1
        )
    kind = {
        'translation': metrics.PoseRelation.translation_part,
        'rotation_angle': metrics.PoseRelation.rotation_angle_rad,
        'rotation_part': metrics.PoseRelation.rotation_part,
        'full': metrics.PoseRelation.full_transformation,
    }[relation]
    units = {
        'frames': unit_of.frames,
        'm': unit_of.meters,
        'rad': unit_of.radians,
        'deg': unit_of.degrees,
    }
    made = (
        metrics.APE(kind)
        if metric == 'ape'
        else metrics.RPE(kind, float(delta), units[unit_name], all_pairs=all_pairs == 'all')
    )
    made.process_data((reference, estimate))
    return made


@pytest.mark.parametrize('case', cases())
def test_every_error_is_that_of_evo(case: str) -> None:
    """Promise: where evo is installed, each single error agrees with its own to 1e-9."""
    pytest.importorskip('evo')
    theirs = evo_errors(case)
    found = evaluate(case)
    assert found.errors == pytest.approx(theirs.error, rel=0, abs=1e-9)
    for name in ('rmse', 'mean', 'median', 'std', 'min', 'max', 'sse'):
        expected = theirs.get_all_statistics()[name]
        assert getattr(found, name) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def odometry_columns(kit: Any, count: int) -> Columns:
    """Return a drive's columns."""
    columns: Columns = kit.memory(kit.drive(count)).columns('/odom')
    return columns


def test_poses_are_found_in_messages(kit: Any) -> None:
    """Promise: Odometry, PoseStamped, PoseWithCovarianceStamped, TransformStamped have one pose."""
    odometry = Trajectory.from_columns(odometry_columns(kit, 4))
    assert odometry.stamps_ns.tolist() == [100 * S + index * S // 10 for index in range(4)]
    assert odometry.positions[:, 0].tolist() == [1.0, 1.25, 1.5, 1.75]
    assert odometry.quaternions_xyzw.tolist() == [[0.0, 0.0, 0.0, 1.0]] * 4
    for type_name, place, turn in (
        ('geometry_msgs/msg/PoseStamped', 'pose__position__y', 'pose__orientation__z'),
        (
            'geometry_msgs/msg/PoseWithCovarianceStamped',
            'pose__pose__position__y',
            'pose__pose__orientation__z',
        ),
        (
            'geometry_msgs/msg/TransformStamped',
            'transform__translation__y',
            'transform__rotation__z',
        ),
        ('geometry_msgs/msg/Pose', 'position__y', 'orientation__z'),
        ('geometry_msgs/msg/Transform', 'translation__y', 'rotation__z'),
    ):
        fields = {place: 2.5, turn: -2.0, turn[:-1] + 'w': 0.0}
        found = Trajectory.from_columns(
            kit.memory([('/p', kit.message(type_name, **fields), 7 * S)]).columns('/p')
        )
        assert found.positions.tolist() == [[0.0, 2.5, 0.0]], type_name
        assert found.quaternions_xyzw.tolist() == [[0.0, 0.0, -1.0, 0.0]], type_name
        assert found.stamps_ns.tolist() == [0 if 'Stamped' in type_name else 7 * S]


def test_what_is_no_pose_is_refused(kit: Any) -> None:
    """Promise: no pose, two poses and poses of some messages only are told in one line."""
    twist = kit.memory([('/t', kit.message('geometry_msgs/msg/Twist'), 1)]).columns('/t')
    with pytest.raises(ComparisonError, match='no single pose in the messages; there is none'):
        Trajectory.from_columns(twist)
    columns = odometry_columns(kit, 3)
    with pytest.raises(ComparisonError, match=r'no pose twist.*; there is pose\.pose'):
        Trajectory.from_columns(columns, 'twist')
    assert len(Trajectory.from_columns(columns, 'pose.pose')) == 3
    both = {**columns, **{f'other.{name}': each for name, each in columns.items()}}
    with pytest.raises(ComparisonError, match=r'no single pose.*pose\.pose, other\.pose\.pose'):
        Trajectory.from_columns(Columns(both, columns.log_time_ns, None))
    for broken in (
        Column(np.zeros(2), np.arange(2)),
        Column(np.array(['a', 'b', 'c'], object), np.arange(3)),
        Column(np.zeros(3), np.arange(3), np.arange(4)),
    ):
        parts = {**columns, 'pose.pose.position.y': broken}
        with pytest.raises(ComparisonError, match=r'pose\.pose\.position\.y is not'):
            Trajectory.from_columns(Columns(parts, columns.log_time_ns, None))
    some = {name: Column(each.values[1:], each.rows[1:]) for name, each in columns.items()}
    sparse = Trajectory.from_columns(Columns(some, columns.log_time_ns, None))
    assert sparse.stamps_ns.tolist() == columns.log_time_ns[1:].tolist()


WRONG: list[tuple[str, Callable[[Trajectory, Trajectory], Any]]] = [
    ('3 poses, the compiled 2', lambda a, b: absolute_pose_error(a, b.taken(np.arange(2)))),
    ('3 poses, the compiled 2', lambda a, b: align(a, b.taken(np.arange(2)))),
    ("relation is 'x'", lambda a, b: absolute_pose_error(a, b, 'x')),
    ("unit is 'x'", lambda a, b: relative_pose_error(a, b, unit='x')),
    ('delta is 0', lambda a, b: relative_pose_error(a, b, delta=0)),
    ('delta is nan', lambda a, b: relative_pose_error(a, b, delta=math.nan)),
    ('whole', lambda a, b: relative_pose_error(a, b, delta=1.5)),
    ('3.14159 at most', lambda a, b: relative_pose_error(a, b, delta=4.0, unit='rad')),
    ('tolerance is -1', lambda a, b: relative_pose_error(a, b, tolerance=-1)),
    ("pairs_of is 'x'", lambda a, b: relative_pose_error(a, b, pairs_of='x')),
    ('max_difference_ns is -1', lambda a, b: associate(a, b, max_difference_ns=-1)),
    ('not a time', lambda a, b: associate(a, b, offset_ns=2**62)),
    ("by is 'x'", lambda a, b: align(a, b, by='x')),
    ('n is 0', lambda a, b: align(a, b, n=0)),
    ('no scale', lambda a, b: align(a, b, by='origin', correct_scale=True)),
    ('no pose to align', lambda a, b: align(at_stamps([]), at_stamps([]))),
    ('on a line', align),
    (
        'int64',
        lambda a, b: Trajectory(cast('Any', np.zeros(1)), np.zeros((1, 3)), np.zeros((1, 4))),
    ),
    (r'\(2, 3\) fit', lambda a, b: Trajectory(np.arange(2), np.zeros((1, 3)), np.zeros((2, 4)))),
    ('not a time', lambda a, b: at_stamps([2**62])),
    (
        'in order of their stamps',
        lambda a, b: pose_pairs(at_stamps([3, 1, 2]), unit='s', all_pairs=True),
    ),
]


@pytest.mark.parametrize(('text', 'call'), WRONG)
def test_wrong_arguments_are_refused(text: str, call: Callable[..., Any]) -> None:
    """Promise: what makes no sense is told in one line, with what would."""
    with pytest.raises(ComparisonError, match=text):
        call(at_stamps([1, 2, 3]), at_stamps([1, 2, 3]))


@given(st.lists(st.lists(st.floats(width=64), min_size=7, max_size=7), min_size=1, max_size=6))
def test_no_value_crashes(rows: list[list[float]]) -> None:
    """Promise: NaN, infinities and huge numbers give errors or a refusal, never a crash."""
    values = np.array(rows)
    stamps_ns = np.arange(len(rows))
    poses = Trajectory(stamps_ns, values[:, :3], values[:, 3:])
    still = Trajectory(stamps_ns, np.zeros((len(rows), 3)), np.zeros((len(rows), 4)))
    for relation in RELATIONS:
        found = absolute_pose_error(still, poses, relation)
        assert len(found) == len(rows)
        assert not (found.errors < 0).any()
        assert isinstance(found.rmse, float)
        assert isinstance(found.median, float)
        for unit_name in ('frames', 'm', 's', 'rad'):
            for all_pairs in (False, True):
                relative_pose_error(still, poses, relation, unit=unit_name, all_pairs=all_pairs)
    for by in ('positions', 'origin'):
        try:
            align(still, poses, by=by)
        except ComparisonError:
            assert by == 'positions'


def test_a_pose_that_is_not_a_number_shows() -> None:
    """Promise: one NaN is not averaged away."""
    original, compiled = at_stamps([1, 2, 3]), at_stamps([1, 2, 3])
    compiled.positions[1, 0] = math.nan
    found = absolute_pose_error(original, compiled)
    assert np.isnan(found.errors).tolist() == [False, True, False]
    assert math.isnan(found.rmse)
    assert math.isnan(found.max)
    with pytest.raises(ComparisonError, match='not finite'):
        align(original, compiled)


def test_huge_and_tiny_quaternions_are_rotations() -> None:
    """Promise: a quaternion's length does not matter, and one that was never set is no rotation."""
    turns = np.array([[0.0, 0.0, 1e300, 1e300], [0.0, 0.0, 1e-6, 1e-6], [0.0, 0.0, 0.0, 0.0]])
    poses = Trajectory(np.arange(3), np.zeros((3, 3)), turns)
    half = math.sqrt(0.5)
    assert poses.quaternions_xyzw == pytest.approx(
        np.array([[0, 0, half, half], [0, 0, half, half], [0, 0, 0, 1.0]]), abs=1e-15
    )


def test_too_many_pairs_by_turn_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: pairs do not fill the memory: above a limit they are refused."""
    monkeypatch.setattr('lk_dataset_ros.comparison.trajectory.pairs.MOST_PAIRS', 10)
    _, poses = drives(0, 60)
    with pytest.raises(ComparisonError, match='more than 10 pairs'):
        pose_pairs(poses, delta=0.3, unit='rad', all_pairs=True, tolerance=0.5)


def test_a_hundred_thousand_poses_take_a_moment() -> None:
    """Promise: 100,000 poses are associated, aligned and judged in well under a second."""
    count = 100_000
    rng = np.random.default_rng(1)
    stamps_ns = np.cumsum(rng.integers(1, 20_000_000, count))
    original = Trajectory(
        stamps_ns, np.cumsum(rng.normal(size=(count, 3)), axis=0), rng.normal(size=(count, 4))
    )
    compiled = original.taken(np.flatnonzero(rng.random(count) > 0.1))
    started_s = time.process_time()
    pairs = associate(original, compiled)
    moved = align(*pairs)
    for relation in ('translation', 'rotation_angle'):
        absolute_pose_error(pairs.original, moved, relation)
        relative_pose_error(*pairs, relation)
        relative_pose_error(*pairs, relation, delta=5.0, unit='m')
        relative_pose_error(*pairs, relation, delta=5.0, unit='m', all_pairs=True)
    # Generous: the machine that tests is slow, and shared.
    assert time.process_time() - started_s < 5.0
