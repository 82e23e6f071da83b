"""Images are judged by what they show, not by their bytes."""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lk_dataset_ros.comparison.comparators import compressed, packed
from lk_dataset_ros.comparison.comparators.images import (
    compressed_image,
    decode_image,
    difference_picture,
    image,
    judge_pixels,
    png,
)
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.errors import ComparisonError, ExtraMissingError, MessageFormatError
from lk_dataset_ros.message import (
    Batch,
    Column,
    Columns,
    builtin_schema,
    codec_for,
    new_message,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

EXACT = Limit(0.0, 0.0)
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def columns_of(messages: Sequence[Any]) -> Mapping[str, Column]:
    """Return the columns of messages, encoded and decoded again."""
    codec = codec_for(builtin_schema(messages[0].__msgtype__))
    parts = [bytes(codec.encode(each)) for each in messages]
    length = np.array([len(each) for each in parts], np.int64)
    batch = Batch(np.frombuffer(b''.join(parts), np.uint8), np.cumsum(length) - length, length)
    return Columns.from_batches([(batch, np.arange(len(parts), dtype=np.int64))], codec)


def message(pixels: NDArray[Any], encoding: str, *, big: bool = False, padding: int = 0) -> Any:
    """Make an image of pixels, (height, width) or (height, width, channels)."""
    height, width = pixels.shape[:2]
    stored = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder('>' if big else '<')))
    lines = stored.view(np.uint8).reshape(height, stored.nbytes // max(height, 1))
    filler = np.random.default_rng(padding).integers(0, 256, (height, padding), np.uint8)
    made = new_message(IMAGE)
    made.height, made.width, made.encoding = height, width, encoding
    made.is_bigendian, made.step = int(big), lines.shape[1] + padding
    made.data = np.hstack([lines, filler]).reshape(-1)
    return made


def judged(original: Any, compiled: Any, limit: Limit = EXACT) -> tuple[float, bool, float]:
    """Judge one pair of images: error, whether it is over, and pixels that are."""
    found = image(columns_of([original]), columns_of([compiled]), limit)
    return float(found.errors[0]), bool(found.over[0]), float(found.measures['pixels_over'][0])


def compress(pixels: NDArray[Any], kind: str, text: str = '', head: bytes = b'') -> Any:
    """Make a compressed image."""
    pillow = pytest.importorskip('PIL.Image')
    file = io.BytesIO()
    pillow.fromarray(pixels).save(file, kind)
    made = new_message(COMPRESSED)
    made.format = text or kind.lower()
    made.data = np.frombuffer(head + file.getvalue(), np.uint8)
    return made


def patterns() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return two pictures, (40, 53)."""
    y, x = np.mgrid[:40, :53]
    first = x * 7 + y * 13 + x * y
    return (first % 256).astype(np.uint8), ((first + (x * y) % 11 * 3) % 256).astype(np.uint8)


def test_every_pixel_and_channel_counts() -> None:
    """Promise: the error is the largest of any channel; pixels, not channels, are counted."""
    left = np.random.default_rng(0).integers(0, 200, (9, 11, 3)).astype(np.uint8)
    right = left.copy()
    right[2, 3] += np.array([1, 0, 50], np.uint8)
    right[8, 10, 0] += 2
    assert judged(message(left, 'rgb8'), message(right, 'rgb8')) == (50.0, True, 2.0)
    assert judged(message(left, 'rgb8'), message(right, 'rgb8'), Limit(0, 2)) == (50.0, True, 1.0)
    assert judged(message(left, 'rgb8'), message(right, 'rgb8'), Limit(0, 50)) == (50, False, 0.0)
    dark, bright = np.full((2, 2), 200, np.uint8), np.full((2, 2), 220, np.uint8)
    for rtol, over in ((0.1, False), (0.095, True)):
        pair = message(dark, 'mono8'), message(bright, 'mono8')
        assert judged(*pair, Limit(rtol, 0.0))[1] is over


@pytest.mark.parametrize(
    ('names', 'dtype', 'order'),
    [
        (('rgb8', 'bgr8'), 'u1', [2, 1, 0]),
        (('rgba8', 'bgra8'), 'u1', [2, 1, 0, 3]),
        (('rgb16', 'bgr16'), 'u2', [2, 1, 0]),
        (('rgba16', 'bgra16'), 'u2', [2, 1, 0, 3]),
    ],
)
def test_colours_are_equal_in_any_order(names: Any, dtype: str, order: list[int]) -> None:
    """Promise: blue first is the same picture as red first; taking one for the other is not."""
    rng = np.random.default_rng(1)
    left = rng.integers(0, 256, (5, 4, len(order))).astype(dtype)
    other = left[:, :, order]
    assert judged(message(left, names[0]), message(other, names[1])) == (0.0, False, 0.0)
    wrong = judged(message(left, names[0]), message(left, names[1]))
    assert wrong[0] == np.abs(left.astype(int) - other.astype(int)).max()
    assert wrong[1]
    for one, name in zip((left, other), names, strict=True):
        sent = message(one, name)
        found = decode_image(5, 4, name, 0, sent.step, sent.data)
        assert np.array_equal(found, left)


@pytest.mark.parametrize(
    ('encoding', 'dtype'),
    [
        ('mono16', 'u2'),
        ('16UC1', 'u2'),
        ('16SC1', 'i2'),
        ('32SC1', 'i4'),
        ('32FC1', 'f4'),
        ('64FC1', 'f8'),
        ('bayer_rggb16', 'u2'),
        ('8SC1', 'i1'),
    ],
)
def test_byte_order_and_padding_do_not_matter(encoding: str, dtype: str) -> None:
    """Promise: the same numbers in another byte order, in longer rows, are the same image."""
    rng = np.random.default_rng(2)
    if dtype[0] == 'f':
        left: NDArray[Any] = rng.normal(size=(6, 7)).astype(dtype)
    else:
        info = np.iinfo(dtype)
        left = rng.integers(info.min, info.max, (6, 7), dtype, endpoint=True)
        left[0, :2], right_most = [info.min, info.max], left.copy()
        right_most[0, :2] = [info.max, info.min]
        pair = message(left, encoding), message(right_most, encoding, big=True, padding=3)
        assert judged(*pair)[0] == 2 ** (8 * left.itemsize) - 1
    pair = message(left, encoding, padding=5), message(left, encoding, big=True, padding=2)
    assert judged(*pair) == (0.0, False, 0.0)
    assert np.array_equal(
        decode_image(6, 7, encoding, 1, pair[1].step, pair[1].data),
        left,
    )
    one_off = left.copy()
    one_off[3, 3] += 1
    error, *rest = judged(pair[0], message(one_off, encoding))
    assert error == pytest.approx(1.0)
    assert rest == [True, 1.0]


def test_images_of_other_size_or_meaning_have_no_finite_error() -> None:
    """Promise: size, type and meaning of pixels have to be the same, whatever the limit."""
    zeros = np.zeros((4, 6), np.uint8)
    plain, loose = message(zeros, 'mono8'), Limit(1.0, 1e9)
    assert judged(plain, message(zeros, '8UC1'), loose) == (0.0, False, 0.0)
    colour = message(np.zeros((4, 2, 3), np.uint8), 'rgb8')
    others = [
        (plain, message(zeros.T, 'mono8')),
        (plain, message(np.zeros((4, 6), np.uint16), 'mono16')),
        (plain, message(zeros, 'bayer_rggb8')),
        (message(zeros, 'bayer_bggr8'), message(zeros, 'bayer_rggb8')),
        (colour, message(np.zeros((4, 2, 3), np.uint8), '8UC3')),
        (message(np.zeros((4, 6, 2), np.uint8), 'yuv422'),
         message(np.zeros((4, 6, 2), np.uint8), 'yuv422_yuy2')),
        (plain, message(np.zeros((0, 6), np.uint8), 'mono8')),
    ]  # fmt: skip
    for original, compiled in others:
        error, over, pixels = judged(original, compiled, loose)
        assert (error, over) == (math.inf, True), (original.encoding, compiled.encoding)
        assert math.isnan(pixels)


def test_depths_that_are_not_there_are_equal() -> None:
    """Promise: NaN equals NaN, an infinity itself; against a number they have no finite error."""
    left = np.array([[np.nan, np.inf, 1.0, 2.0]], np.float32)
    assert judged(message(left, '32FC1'), message(left, '32FC1', big=True)) == (0.0, False, 0.0)
    for place in range(4):
        right = left.copy()
        right[0, place] = np.nan if place else 3.0
        loose = judged(message(left, '32FC1'), message(right, '32FC1'), Limit(1.0, 1e9))
        assert loose == (math.inf, True, 1.0)
    near = left + np.float32(0.001)
    assert judged(message(left, '32FC1'), message(near, '32FC1'), Limit(0.0, 0.01))[1:] == (
        False,
        0.0,
    )


def test_unknown_encodings_are_compared_as_bytes() -> None:
    """Promise: what nobody can read is equal byte by byte, or differs without a finite error."""
    data = np.arange(24, dtype=np.uint8).reshape(4, 6)
    other = data.copy()
    other[0, 0] += 1
    assert judged(message(data, 'my_packing'), message(data, 'my_packing'))[:2] == (0.0, False)
    found = judged(message(data, 'my_packing'), message(other, 'my_packing'), Limit(0.0, 1e9))
    assert found[:2] == (math.inf, True)
    assert np.array_equal(decode_image(4, 6, 'my_packing', 0, 6, data.reshape(-1)), data)


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('height', 5),
        ('height', 3),
        ('width', 0),
        ('width', 2**32 - 1),
        ('step', 0),
        ('step', 2**32 - 1),
        ('height', 2**32 - 1),
    ],
)
def test_damaged_sizes_are_compared_as_bytes(field: str, value: int) -> None:
    """Promise: sizes that do not fit the data are no crash, and no memory is taken for them."""
    plain = message(np.zeros((4, 6), np.uint8), 'mono8')
    damaged = message(np.zeros((4, 6), np.uint8), 'mono8')
    setattr(damaged, field, value)
    assert judged(plain, damaged)[:2] == (math.inf, True)
    assert judged(damaged, plain)[:2] == (math.inf, True)
    assert judged(damaged, damaged)[:2] == (0.0, False)
    with pytest.raises(MessageFormatError, match=r'step \* height'):
        decode_image(
            damaged.height, damaged.width, 'mono8', 0, damaged.step, np.zeros(24, np.uint8)
        )


def test_similarity_is_that_of_scikit_image() -> None:
    """Promise: SSIM and PSNR are what scikit-image 0.26 returns, grey, 16 bit, float and colour."""
    a, b = patterns()
    wide = [(each.astype(np.uint16) * 257)[None, :, :, None] for each in (a, b)]
    depth = a / 50.0
    depths = [each[None, :, :, None] for each in (depth, depth + np.sin(b) / 4)]
    colours = [np.stack(each, 2)[None] for each in ((a, b, a[::-1]), (b, b, a))]
    luma = (0.299, 0.587, 0.114)
    for (left, right), weights, ssim, psnr in (
        ((a[None, :, :, None], b[None, :, :, None]), (1.0,), 0.7304000698080882, 13.595299609132814),
        (wide, (1.0,), 0.730400069808088, 13.595299609132814),
        (depths, (1.0,), 0.9925593382209039, 29.199944526149256),
        (colours, luma, 0.9645972198766619, 11.421177829257816),
    ):  # fmt: skip
        found = judge_pixels(left, right, EXACT, weights=weights)
        assert found.measures['ssim'][0] == pytest.approx(ssim, abs=1e-12)
        assert found.measures['psnr_db'][0] == pytest.approx(psnr, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(7, 20),
    st.integers(7, 20),
    st.integers(0, 2**32 - 1),
    st.sampled_from(['u1', 'i2', 'f8']),
    st.sampled_from([1, 60, 1 << 18]),
)
def test_similarity_is_that_of_its_definition(
    height: int, width: int, seed: int, dtype: str, block: int
) -> None:
    """Promise: SSIM is the mean over all windows by their means and covariances, in any blocks."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 100, (height, width)).astype(dtype)
    right = left.copy()
    right[rng.integers(height), rng.integers(width)] += 5
    right[: height // 2] += rng.integers(0, 20, (height // 2, width)).astype(dtype)
    windows = [
        np.lib.stride_tricks.sliding_window_view(each.astype(float), (7, 7)).reshape(-1, 49)
        for each in (left, right)
    ]
    scale = float(np.ptp(left)) if dtype == 'f8' else float(2 ** (8 * left.itemsize) - 1)
    c1, c2 = (0.01 * scale) ** 2, (0.03 * scale) ** 2
    alike = []
    for x, y in zip(*windows, strict=True):
        ((xx, xy), (_, yy)) = np.cov(x, y)
        alike.append(
            (2 * x.mean() * y.mean() + c1)
            * (2 * xy + c2)
            / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (xx + yy + c2))
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, 'BLOCK', block)
        found = judge_pixels(
            left[None, :, :, None], right[None, :, :, None], EXACT, weights=(1.0,)
        )
    assert found.measures['ssim'][0] == pytest.approx(np.mean(alike), abs=1e-9)


def test_equal_images_are_alike() -> None:
    """Promise: equal images have SSIM 1 and infinite PSNR; a small one has no SSIM."""
    a, b = patterns()
    found = image(
        columns_of([message(a, 'mono8'), message(a, 'mono8'), message(a[:6], 'mono8')]),
        columns_of([message(a, 'mono8'), message(a, 'mono8', padding=1), message(b[:6], 'mono8')]),
        EXACT,
    )
    assert found.measures['ssim'].tolist()[:2] == [1.0, 1.0]
    assert found.measures['psnr_db'].tolist()[:2] == [math.inf, math.inf]
    assert math.isnan(found.measures['ssim'][2])
    assert 0 < found.measures['psnr_db'][2] < 20


def test_missing_pixels_leave_the_rest_alike() -> None:
    """Promise: NaN pixels are left out of PSNR and SSIM; what is all NaN has neither."""
    depth = patterns()[0] / 50.0
    holes = depth.copy()
    holes[3:5, 3:5] = np.nan
    nothing = np.full_like(depth, np.nan)
    found = image(
        columns_of([message(each, '64FC1') for each in (depth, depth)]),
        columns_of([message(each, '64FC1') for each in (holes, nothing)]),
        EXACT,
    )
    assert found.measures['pixels_over'].tolist() == [4.0, depth.size]
    assert found.measures['ssim'][0] == pytest.approx(1.0, abs=1e-12)
    assert found.measures['psnr_db'][0] == math.inf
    assert np.isnan(found.measures['ssim'][1])
    assert np.isnan(found.measures['psnr_db'][1])


def test_pixels_without_a_number_that_are_equal_are_alike() -> None:
    """Promise: what is NaN on both sides, with whatever bits, has SSIM 1 and infinite PSNR."""
    left = np.full((9, 9), np.nan, np.float32)
    right = left.copy()
    right.view(np.uint32)[:] ^= 1
    found = image(
        columns_of([message(left, '32FC1')]), columns_of([message(right, '32FC1')]), EXACT
    )
    assert (found.errors[0], found.measures['ssim'][0]) == (0.0, 1.0)
    assert found.measures['psnr_db'][0] == math.inf


def test_windows_with_an_infinity_are_left_out_in_any_block() -> None:
    """Promise: SSIM does not depend on how an image is cut, infinities in equal parts included."""
    left = patterns()[0] / 50.0
    left[2:20, 3:20] = np.inf
    right = left.copy()
    right[35:, 40:] += 1.0
    found = []
    for block in (1, 1 << 18):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed, 'BLOCK', block)
            pair = left[None, :, :, None], right[None, :, :, None]
            found.append(judge_pixels(*pair, EXACT, weights=(1.0,)).measures['ssim'][0])
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert found[0] < 0.999


def test_many_images_are_judged_as_if_each_were_alone() -> None:
    """Promise: images of several sizes and encodings, mixed, give what each pair gives alone."""
    rng = np.random.default_rng(4)
    sides: list[list[Any]] = [[], []]
    for index in range(60):
        encoding, dtype, channels = [('rgb8', 'u1', 3), ('mono16', 'u2', 1), ('32FC1', 'f4', 1)][
            index % 3
        ]
        shape = (8 + index % 4, 9, channels)
        left = rng.integers(0, 200, shape).astype(dtype)
        right = left + (rng.integers(0, 5, shape) * (rng.random() < 0.5)).astype(dtype)
        sides[0].append(message(left, encoding))
        sides[1].append(message(right, encoding, padding=index % 2))
    limit = Limit(0.01, 1.0)
    for step in (1, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed, 'STACK', step)
            whole = image(columns_of(sides[0]), columns_of(sides[1]), limit)
        for row, (one, other) in enumerate(zip(*sides, strict=True)):
            alone = image(columns_of([one]), columns_of([other]), limit)
            assert whole.errors[row] == alone.errors[0]
            assert whole.over[row] == alone.over[0]
            for name, values in whole.measures.items():
                assert values[row] == pytest.approx(alone.measures[name][0], rel=1e-12), name
    assert 10 < whole.over.sum() < 50


def test_images_of_one_size_are_judged_together() -> None:
    """Promise: where all images have one size, each pair gets its own error, equal or not."""
    rng = np.random.default_rng(6)
    left = rng.integers(0, 200, (30, 8, 9, 3)).astype(np.uint8)
    right = left.copy()
    wanted = np.where(rng.random(30) < 0.5, rng.integers(1, 50, 30), 0)
    right[:, 3, 4, 1] += wanted.astype(np.uint8)
    sides = [columns_of([message(each, 'rgb8') for each in side]) for side in (left, right)]
    assert sides[0]['data'].offsets is None
    found = image(sides[0], sides[1], EXACT)
    assert found.errors.tolist() == wanted.tolist()
    assert found.measures['pixels_over'].tolist() == (wanted > 0).tolist()
    assert ((found.measures['ssim'] < 1.0) == (wanted > 0)).all()
    every = columns_of([message(each, 'rgb8') for each in left + np.uint8(1)])
    assert image(sides[0], every, EXACT).errors.tolist() == [1.0] * 30


@settings(max_examples=60, deadline=None)
@example([(b'abcde', True), (b'xyz', True)], 3)
@given(
    st.lists(st.tuples(st.binary(max_size=6), st.booleans()), min_size=1, max_size=8),
    st.integers(1, 9),
)
def test_messages_that_differ_in_a_byte_are_found(
    rows: list[tuple[bytes, bool]], step: int
) -> None:
    """Promise: equal bytes are told from others wherever the parts that are read begin."""
    left = [each for each, _ in rows]
    right = [
        (bytes([each[0] ^ 1]) + each[1:] if len(each) % 2 else each + b'a') if changed else each
        for each, changed in rows
    ]
    columns = []
    for side in (left, right):
        made = [new_message(COMPRESSED) for _ in side]
        for one, data in zip(made, side, strict=True):
            one.data = np.frombuffer(data, np.uint8)
        column = columns_of(made)['data']
        columns.append(
            Column(column.values.reshape(-1), column.rows, np.cumsum([0, *map(len, side)]))
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, 'STACK', step)
        found = packed.unequal(columns[0], columns[1])
    assert found.tolist() == [changed for _, changed in rows]


def test_compressed_images_are_judged_by_their_pixels() -> None:
    """Promise: a PNG and a TIFF of the same pixels are equal; the error is one of pixels."""
    left = np.stack([*patterns(), patterns()[0][::-1]], 2)
    right = left.copy()
    right[5, 6, 1] ^= 0x10
    right[7, 7] ^= 1
    deep = patterns()[0].astype(np.uint16) * 200
    originals = [compress(each, 'PNG') for each in (left, left, left, deep)]
    compileds = [
        compress(left, 'PNG'),
        compress(left, 'TIFF', 'png'),
        compress(right, 'PNG'),
        compress(deep + 3, 'PNG'),
    ]
    found = compressed_image(columns_of(originals), columns_of(compileds), Limit(0.0, 1.0))
    assert found.errors.tolist() == [0.0, 0.0, 16.0, 3.0]
    assert found.over.tolist() == [False, False, True, True]
    assert found.measures['pixels_over'].tolist() == [0.0, 0.0, 1.0, deep.size]
    assert found.measures['ssim'][:2].tolist() == [1.0, 1.0]


def test_compressed_depths_are_judged_in_metres() -> None:
    """Promise: inverse depths of compressed_depth_image_transport are taken as depths in m."""
    first, second = 1000.0, 2.0
    inverse = np.array([[0, 502, 202], [102, 52, 0]], np.uint16)
    closer = inverse.copy()
    closer[0, 1] = 402
    text, head = '32FC1; compressedDepth png', struct.pack('<iff', 0, first, second)
    pair = [compress(each, 'PNG', text, head) for each in (inverse, closer)]
    found = compressed_image(columns_of(pair[:1]), columns_of(pair[1:]), Limit(0.0, 0.1))
    assert found.errors[0] == pytest.approx(first / 400 - first / 500, rel=1e-6)
    assert found.measures['pixels_over'].tolist() == [1.0]
    closer[0, 0] = 402
    gone = columns_of([compress(closer, 'PNG', text, head)])
    assert compressed_image(columns_of(pair[:1]), gone, Limit(0.0, 1e9)).errors[0] == math.inf
    closer[0, 0] = 0
    wide = [
        compress(each, 'PNG', '16UC1; compressedDepth png', head) for each in (inverse, closer)
    ]
    assert compressed_image(columns_of(wide[:1]), columns_of(wide[1:]), EXACT).errors[0] == 100.0


def test_what_cannot_be_decoded_is_compared_as_bytes() -> None:
    """Promise: damaged, too large, or deeper than can be kept: equal only byte by byte."""
    left, right = patterns()
    garbage, cut = compress(left, 'PNG'), compress(left, 'PNG')
    garbage.data = np.frombuffer(b'not an image', np.uint8)
    cut.data = cut.data[:-30]
    bomb = new_message(COMPRESSED)
    bomb.format, bomb.data = 'png', np.frombuffer(png_of(60_000, 60_000, 8, 0, b'\0'), np.uint8)
    deep = [new_message(COMPRESSED) for _ in range(2)]
    for index, each in enumerate(deep):
        lines = b'\0' + bytes([1, index] * 3)
        each.format, each.data = 'png', np.frombuffer(png_of(1, 1, 16, 2, lines), np.uint8)
    whole = compress(right, 'PNG')
    wide = compress(right.astype(np.uint16), 'PNG')
    pairs = [(garbage, whole), (whole, cut), (bomb, whole), tuple(deep), (whole, wide)]
    found = compressed_image(
        columns_of([each[0] for each in pairs] + [garbage]),
        columns_of([each[1] for each in pairs] + [garbage]),
        Limit(1.0, 1e9),
    )
    assert found.errors.tolist() == [math.inf] * 5 + [0.0]
    assert found.over.tolist() == [True] * 5 + [False]


def test_only_one_picture_of_a_bounded_size_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: pictures of several pages, or of too many pixels, are compared as bytes."""
    pillow = pytest.importorskip('PIL.Image')
    left, right = patterns()
    pages = [pillow.fromarray(each) for each in (left, right)]
    file = io.BytesIO()
    pages[0].save(file, 'TIFF', save_all=True, append_images=pages[1:])
    several = new_message(COMPRESSED)
    several.format, several.data = 'tiff', np.frombuffer(file.getvalue(), np.uint8)
    one, other = columns_of([compress(left, 'PNG')]), columns_of([compress(left, 'TIFF', 'png')])
    assert compressed_image(one, columns_of([several]), EXACT).errors.tolist() == [math.inf]
    assert compressed_image(one, other, EXACT).errors.tolist() == [0.0]
    monkeypatch.setattr(compressed, 'MOST_PIXELS', left.size - 1)
    assert compressed_image(one, other, EXACT).errors.tolist() == [math.inf]


def png_of(width: int, height: int, depth: int, colour: int, lines: bytes) -> bytes:
    """Make a PNG file of any bits."""
    head = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    parts = ((b'IHDR', head), (b'IDAT', zlib.compress(lines)), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        for name, body in parts
    )


def test_without_pillow_equal_bytes_are_still_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: only images that differ need Pillow, and its absence names the extra."""
    left, right = (compress(each, 'PNG') for each in patterns())

    def missing(*_: str) -> Any:
        raise ExtraMissingError("pip install 'lk_dataset_ros[images]'")

    monkeypatch.setattr(compressed, 'require', missing)
    assert compressed_image(columns_of([left]), columns_of([left]), EXACT).errors.tolist() == [0.0]
    with pytest.raises(ExtraMissingError, match='images'):
        compressed_image(columns_of([left]), columns_of([right]), EXACT)


def test_a_picture_of_the_difference_shows_every_pixel_that_differs() -> None:
    """Promise: grey where equal, blue within the limit, red to yellow beyond it."""
    left = patterns()[0]
    right = left.astype(int)
    right[1, 2], right[3, 4], right[5, 6] = left[1, 2] + 1, left[3, 4] + 20, left[5, 6] + 40
    shown = difference_picture(left, np.clip(right, 0, 255).astype(np.uint8), Limit(0.0, 1.0))
    assert shown.shape == (40, 53, 3)
    assert shown.dtype == np.uint8
    coloured = (shown[:, :, 0] != shown[:, :, 1]) | (shown[:, :, 1] != shown[:, :, 2])
    assert list(zip(*np.nonzero(coloured), strict=True)) == [(1, 2), (3, 4), (5, 6)]
    assert shown[1, 2].argmax() == 2
    assert shown[3, 4].argmax() == 0
    assert shown[5, 6].tolist() == [255, 240, 90]


@pytest.mark.parametrize('shape', [(700, 1500), (1500, 3), (1, 100_000)])
def test_one_pixel_of_a_large_image_stays_to_be_seen(shape: tuple[int, int]) -> None:
    """Promise: a picture has at most 512 pixels a side, and none that differs is lost in it."""
    rng = np.random.default_rng(5)
    left = rng.integers(0, 255, shape).astype(np.uint8)
    step = -(-max(shape) // 512)
    for block in (1 << 18, 4096):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed, 'BLOCK', block)
            right = left.copy()
            place = tuple(int(rng.integers(size)) for size in shape)
            right[place] ^= 1
            shown = difference_picture(left, right)
        assert max(shown.shape) <= 512
        coloured = np.argwhere(shown[:, :, 0] != shown[:, :, 2])
        assert coloured.tolist() == [[place[0] // step, place[1] // step]]


def test_pictures_of_other_sizes_and_types_differ_where_nothing_is_to_compare() -> None:
    """Promise: what the other image lacks is shown as too large a difference."""
    left = np.full((6, 8), 100, np.uint8)
    shown = difference_picture(left, left[:4, :5])
    coloured = shown[:, :, 0] != shown[:, :, 1]
    expected = np.ones((6, 8), bool)
    expected[:4, :5] = False
    assert np.array_equal(coloured, expected)
    shown = difference_picture(left, left.astype(np.uint16))
    assert (shown[:, :, 0] != shown[:, :, 1]).all()
    shown = difference_picture(np.full((2, 2), np.nan), np.full((2, 2), 1.0))
    assert (shown[:, :, 0] != shown[:, :, 1]).all()
    for wrong in (np.zeros((0, 3), np.uint8), np.zeros(3), np.array([['a']])):
        with pytest.raises(ComparisonError, match='is no image'):
            difference_picture(wrong, left)


@settings(max_examples=25, deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2), elements={}))
def test_a_png_is_what_pillow_reads(grey: NDArray[np.uint8]) -> None:
    """Promise: our PNG files hold the pixels that were given, grey or in colour."""
    pillow = pytest.importorskip('PIL.Image')
    for picture in (grey, np.stack([grey, grey[::-1], 255 - grey], 2)):
        with pillow.open(io.BytesIO(png(picture))) as opened:
            assert np.array_equal(np.asarray(opened), picture)


def test_what_is_no_picture_makes_no_png() -> None:
    """Promise: numbers that are no bytes, or no picture, are refused in one line."""
    for wrong in (np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 3), np.uint8)):
        with pytest.raises(ComparisonError, match='is no picture'):
            png(wrong)  # type: ignore[arg-type]


SIZES = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1))
ENCODINGS = st.one_of(
    st.sampled_from(['mono8', 'mono16', 'rgb8', 'bgra8', '32FC1', '64FC3', '16SC1', 'yuv422', '']),
    st.sampled_from(['8UC0', '8UC999', '32FC64', 'bayer_x8', 'rgb', '\0', '8UC٣']),
    st.text(max_size=6),
)


@st.composite
def garbage(draw: st.DrawFn) -> Any:
    """Make an image that may be anything, and now and then one whose sizes fit."""
    made = new_message(IMAGE)
    made.encoding, made.is_bigendian = draw(ENCODINGS), draw(st.integers(0, 255))
    made.height, made.width = draw(SIZES), draw(SIZES)
    data = draw(st.binary(max_size=300))
    made.step = draw(SIZES)
    if 0 < made.height < 10 and draw(st.booleans()):
        made.step = len(data) // made.height
        data = data[: made.step * made.height]
    made.data = np.frombuffer(data, np.uint8)
    return made


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(garbage(), garbage()), min_size=1, max_size=4), st.data())
def test_garbage_is_judged_too(pairs: list[tuple[Any, Any]], data: st.DataObject) -> None:
    """Promise: whatever a message holds is judged without a crash, and is equal to itself."""
    left = [each[0] for each in pairs]
    right = [each[data.draw(st.integers(0, 1))] for each in pairs]
    for row, each in enumerate(right):
        if each is left[row] and len(each.data) and data.draw(st.booleans()):
            changed = new_message(IMAGE)
            for name in ('encoding', 'is_bigendian', 'height', 'width', 'step'):
                setattr(changed, name, getattr(each, name))
            changed.data = each.data.copy()
            changed.data[data.draw(st.integers(0, len(each.data) - 1))] ^= data.draw(
                st.integers(1, 255)
            )
            right[row] = changed
    limit = data.draw(st.sampled_from([EXACT, Limit(0.5, 0.0), Limit(0.0, 3.5), Limit(0, 1e300)]))
    one, other = columns_of(left), columns_of(right)
    found = image(one, other, limit)
    assert len(found.errors) == len(pairs)
    assert not np.isnan(found.errors).any()
    assert (found.errors >= 0.0).all()
    if limit is EXACT:
        assert np.array_equal(found.errors > 0.0, found.over)
    itself = image(one, columns_of(left), limit)
    assert not itself.over.any()
    assert not itself.errors.any()


@settings(max_examples=100, deadline=None)
@given(
    left=st.binary(max_size=200),
    right=st.binary(max_size=200),
    text=st.text(max_size=9),
    is_depth=st.booleans(),
)
def test_compressed_garbage_is_judged_too(
    *, left: bytes, right: bytes, text: str, is_depth: bool
) -> None:
    """Promise: no bytes make the decoder of compressed images crash the comparison."""
    pytest.importorskip('PIL.Image')
    heads = [b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR', b'\xff\xd8\xff\xe0', b'II*\0', b'BM', b'']
    for head in heads:
        pair = []
        for content in (left, right):
            made = new_message(COMPRESSED)
            made.format = '32FC1; compressedDepth png' if is_depth else text
            made.data = np.frombuffer(head + content, np.uint8)
            pair.append(columns_of([made]))
        found = compressed_image(pair[0], pair[1], EXACT)
        assert bool(found.over[0]) == (left != right) or found.errors[0] == 0.0


def test_what_is_no_image_is_refused() -> None:
    """Promise: a part without data, or with other data than bytes, is named in one line."""
    whole = dict(columns_of([message(np.zeros((2, 2), np.uint8), 'mono8')]))
    without = {name: each for name, each in whole.items() if name != 'data'}
    with pytest.raises(ComparisonError, match="no field 'data'"):
        image(without, without, EXACT)
    text = {**whole, 'data': Column(np.array(['a'], object), np.arange(1))}
    with pytest.raises(ComparisonError, match='bytes are needed'):
        image(text, text, EXACT)
    several = {**whole, 'height': Column(np.zeros((1, 2), np.uint32), np.arange(1))}
    with pytest.raises(ComparisonError, match="'height' holds an array"):
        image(several, several, EXACT)
