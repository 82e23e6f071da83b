"""Bytes that real rclpy wrote, and the definitions that they were written with.

Taken with rclpy of ROS 2 Jazzy (Fast DDS, `rclpy.serialization.serialize_message`) from a package
that was built with these files (its name was longer). `..` is a byte of padding, which Fast DDS
leaves unset, and `+` begins what rclpy appends: it makes room for a terminating zero of each wstring, and of the last
alignment, that is never written.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from lk_dataset_ros.errors import MessageFormatError, MessageTypeError
from lk_dataset_ros.message import ROS2IDL, Schema, builtin_schema, codec_for

SEPARATOR = '=' * 80
PART = 'int16 ID_MAX=300\nstring LABEL="part \\"x\\""\nint16 id -7\nbool ok true\n'
WIDE = 'wstring text\n'
MIX = """
uint8 before
wstring text
uint8 middle
wstring<=5 bounded
uint8 third
wstring[2] pair
wstring[] many
wstring<=4[<=3] few
float64 after
"""
BOUNDED = f"""
string<=4 name
int32[<=3] numbers
string<=3[<=2] texts
string[<=2] loose
string<=3[2] two
Part[<=2] parts
wstring<=3 wide
{SEPARATOR}
MSG: gold/Part
{PART}"""
DEFAULTS = rf"""
byte B_CONST=200
char C_CONST=65
float32 F_CONST=-1.5
float64 G_CONST=1e300
int64 L_CONST=-9223372036854775808
uint64 U_CONST=18446744073709551615
bool YES=true
string TEXT="he said 'x'"
string PLAIN=no quotes here
wstring WTEXT="wide"
int32 x 5
byte b 200
char c 66
float32 f -0.5
string s "he \"said\" it"
string t 'it\'s'
string u unquoted text
wstring w "wide"
int32[3] a [1, 2, 3]
float64[] d [0.5, -1]
string[2] st ["a, b", 'c']
bool[<=3] flags [true, false]
uint8[] bytes [1, 2]
wstring[] ws ["a", "b"]
Part part
Part[2] parts
{SEPARATOR}
MSG: gold/Part
{PART}"""
WHOLE = f'Nothing nothing\nNothing[2] pair\nNothing[] many\nuint8 end 3\n{SEPARATOR}\nMSG: gold/Nothing\n'
RAW = r"""
#include "nothing.idl"
module gold {
  module msg {
    typedef double double__3[3];
    module Raw_Constants {
      const long A_NUMBER = -5;
      @verbatim (language="comment", text="a \"comment\"")
      const string A_TEXT = "te\"xt";
      const wstring A_WIDE = L"wide";
      const boolean A_BOOL = TRUE;
      const octet AN_OCTET = 255;
      const float A_FLOAT = 1.5;
    };
    @verbatim (language="comment", text="line one" "\n" "line two")
    struct Raw {
      @default (value=7)
      long number;
      @default (value="quo\"ted")
      string text;
      @default (value=TRUE)
      boolean flag;
      @unit (value="m")
      double__3 triple;
      char letter;
      octet small;
      uint8 u;
      int8 i;
      wstring w;  // a "comment
      wstring<4> wb;
      string<6> sb;
      sequence<long, 4> seq;
      sequence<wstring> ws;
      unsigned long long big;
      @default (value=-0.25)
      double d;
    };
  };
};
"""
SCHEMAS = {
    'Wide': Schema('gold/msg/Wide', WIDE),
    'Mix': Schema('gold/msg/Mix', MIX),
    'Bounded': Schema('gold/msg/Bounded', BOUNDED),
    'Defaults': Schema('gold/msg/Defaults', DEFAULTS),
    'Nothing': Schema('gold/msg/Nothing', ''),
    'Whole': Schema('gold/msg/Whole', WHOLE),
    'Part': Schema('gold/msg/Part', PART),
    'Raw': Schema('gold/msg/Raw', RAW, ROS2IDL),
}
GOLD: list[tuple[str, dict[str, Any], str]] = [
    (
        'Wide',
        {'text': ''},
        '00010000 00000000+........',
    ),
    (
        'Wide',
        {'text': 'a'},
        '00010000 0100000061000000+........',
    ),
    (
        'Wide',
        {'text': 'wäß'},
        '00010000 0300000077000000e4000000df000000+........',
    ),
    (
        'Wide',
        {'text': '∞'},
        '00010000 010000001e220000+........',
    ),
    (
        'Wide',
        {'text': '😀'},
        '00010000 020000003dd8000000de0000+........',
    ),
    (
        'Wide',
        {'text': 'a😀b'},
        '00010000 04000000610000003dd8000000de000062000000+........',
    ),
    (
        'Mix',
        {},
        (
            '00010000 00......0000000000......0000000000......0000000000000000000000000000000'
            '0........0000000000000000+................................'
        ),
    ),
    (
        'Mix',
        {
            'before': 1,
            'text': 'ab',
            'middle': 2,
            'bounded': 'xyz😀',
            'third': 3,
            'pair': ['', 'p'],
            'many': ['q', '', 'rs'],
            'few': ['four'],
            'after': 1.5,
        },
        (
            '00010000 01......02000000610000006200000002......0500000078000000790000007a00000'
            '03dd8000000de000003......0000000001000000700000000300000001000000710000000000000'
            '00200000072000000730000000100000004000000660000006f00000075000000720000000000000'
            '00000f83f+................................................................'
        ),
    ),
    (
        'Bounded',
        {},
        (
            '00010000 0100000000......0000000000000000000000000100000000......0100000000.....'
            '.0000000000000000+........'
        ),
    ),
    (
        'Bounded',
        {
            'name': 'abcd',
            'numbers': [1, 2, 3],
            'texts': ['abc', 'd'],
            'loose': ['x'],
            'two': ['', 'yz'],
            'parts': [{'id': 5, 'ok': False}],
            'wide': 'wid',
        },
        (
            '00010000 050000006162636400......03000000010000000200000003000000020000000400000'
            '061626300020000006400....01000000020000007800....0100000000......03000000797a00.'
            '.01000000050000..03000000770000006900000064000000+........'
        ),
    ),
    (
        'Defaults',
        {},
        (
            '00010000 05000000c842....000000bf0d00000068652022736169642220697400......0500000'
            '06974277300......0e000000756e71756f746564207465787400....04000000770000006900000'
            '0640000006500000001000000020000000300000002000000........000000000000e03f0000000'
            '00000f0bf05000000612c206200......020000006300....020000000100....020000000102...'
            '.0200000001000000610000000100000062000000f9ff01..f9ff01..f9ff01+................'
        ),
    ),
    (
        'Nothing',
        {},
        '00010000 00+......',
    ),
    (
        'Whole',
        {},
        '00010000 000000..0000000003',
    ),
    (
        'Whole',
        {'many': [{}]},
        '00010000 000000..010000000003',
    ),
    (
        'Part',
        {},
        '00010000 f9ff01+..',
    ),
    (
        'Raw',
        {},
        (
            '00010000 070000000800000071756f227465640001..............00000000000000000000000'
            '00000000000000000000000000000000000000000000000000100000000......000000000000000'
            '0........0000000000000000000000000000d0bf+................'
        ),
    ),
    (
        'Raw',
        {
            'number': -2,
            'text': 't',
            'flag': False,
            'triple': [1.0, 2.0, 3.0],
            'letter': 'x',
            'small': b'\xff',
            'u': 255,
            'i': -128,
            'w': 'ä😀',
            'wb': 'abcd',
            'sb': 'abcdef',
            'seq': [1, 2],
            'ws': ['z'],
            'big': 18446744073709551615,
            'd': 2.0,
        },
        (
            '00010000 feffffff02000000740000..........000000000000f03f00000000000000400000000'
            '00000084078ffff8003000000e40000003dd8000000de00000400000061000000620000006300000'
            '0640000000700000061626364656600..02000000010000000200000001000000010000007a00000'
            '0........ffffffffffffffff0000000000000040+................'
        ),
    ),
]


def octets(gold: str) -> tuple[bytes, bytes, list[int]]:
    """Return the bytes as rclpy wrote them and without what it appends, and where padding is."""
    written, _, appended = gold.replace(' ', '').partition('+')
    padding = [place // 2 for place in range(0, len(written), 2) if written[place] == '.']
    plain = bytes.fromhex(written.replace('..', '00'))
    filled = bytes.fromhex(written.replace('..', 'a5') + appended.replace('..', 'a5'))
    return filled, plain, padding


def made(codec: Any, values: dict[str, Any]) -> Any:
    """Make a message; a dict for a nested one."""
    message = codec.new()
    for name, value in values.items():
        items = value if isinstance(value, list) else []
        part = codec.classes.get('gold/msg/Part' if name == 'parts' else 'gold/msg/Nothing')
        nested = part and any(isinstance(item, dict) for item in items)
        setattr(message, name, [part(**item) for item in items] if nested else value)
    return message


def swapped(codec: Any, message: Any) -> bytes:
    """Return a message in big-endian CDR, through the coder that is used for reading it."""
    size = codec._coder.getsize_cdr(0, message, codec._store)
    data = bytearray(4 + size)
    codec._coder.serialize_cdr_be(memoryview(data)[4:], 0, message, codec._store)
    return bytes(data)


@pytest.mark.parametrize(('name', 'values', 'gold'), GOLD)
def test_bytes_are_those_of_rclpy(name: str, values: dict[str, Any], gold: str) -> None:
    """Promise: rclpy's bytes decode to the values it was given, and we write the same bytes."""
    codec = codec_for(SCHEMAS[name])
    filled, plain, padding = octets(gold)
    message = made(codec, values)
    assert codec.encode(message) == plain
    for place in padding:
        assert plain[place] == 0
    for data in (filled, plain):
        back = codec.decode(data)
        assert codec.encode(back) == plain
        for field, value in values.items():
            mine = getattr(back, field)
            if isinstance(mine, np.ndarray):
                assert mine.tolist() == list(value)
            elif not isinstance(value, (list, bytes)) or not value:
                assert mine == (ord(value) if field == 'letter' else value)


@pytest.mark.parametrize('text', ['', 'a', 'wäß', '∞', '😀', 'a😀b', 'a\0b'])
def test_wstrings_count_utf16_units_of_four_bytes(text: str) -> None:
    """Promise: the wire has a count of UTF-16 units and each as uint32, in both byte orders."""
    codec = codec_for(SCHEMAS['Wide'])
    units = np.frombuffer(text.encode('utf-16-le'), '<u2')
    little = b'\x00\x01\x00\x00' + np.array([len(units), *units], '<u4').tobytes()
    big = b'\x00\x00\x00\x00' + np.array([len(units), *units], '>u4').tobytes()
    assert codec.encode(codec.message_class(text=text)) == little
    assert codec.decode(little).text == codec.decode(big).text == text
    assert swapped(codec, codec.message_class(text=text)) == big


@pytest.mark.parametrize(('name', 'values', 'gold'), GOLD)
def test_both_byte_orders_give_the_same(name: str, values: dict[str, Any], gold: str) -> None:
    """Promise: a message in big-endian CDR decodes to what it is in little-endian CDR."""
    codec = codec_for(SCHEMAS[name])
    message = codec.decode(octets(gold)[0])
    assert codec.decode(swapped(codec, message)) == message


@pytest.mark.parametrize(
    'units',
    [
        'ffffffff',
        'ffffffff 61000000',
        '02000000 61000000',
        '01000000 00000100',
        '01000000 00d80000',
    ],
)
def test_wstrings_that_are_none_are_refused(units: str) -> None:
    """Promise: lying lengths, units of more than 16 bits and lone surrogates are refused."""
    with pytest.raises(MessageFormatError, match='are not a gold/msg/Wide'):
        codec_for(SCHEMAS['Wide']).decode(bytes.fromhex('00010000' + units))


def test_more_than_rclpy_appends_is_refused() -> None:
    """Promise: bytes behind a message beyond what rclpy appends are an error."""
    codec = codec_for(SCHEMAS['Wide'])
    data = codec.encode(codec.message_class(text='a'))
    assert codec.decode(data + bytes(11)).text == 'a'
    with pytest.raises(MessageFormatError, match='12 bytes are left over'):
        codec.decode(data + bytes(12))


def test_room_for_what_an_empty_sequence_lacks_is_read() -> None:
    """Promise: a JointState with empty sequences, as rclpy's serialize_message returns it."""
    codec = codec_for(builtin_schema('sensor_msgs/msg/JointState'))
    gold = (
        '00010000 000000000000000001000000006f7369000000000000000000000000'
        '00000000 61737472 7470735f'
    )
    assert codec.decode(bytes.fromhex(gold)) == codec.new()
    image = codec_for(builtin_schema('sensor_msgs/msg/CompressedImage'))
    with pytest.raises(MessageFormatError, match='8 bytes are left over'):
        image.decode(image.encode(image.new()) + bytes(8))


def test_constants_and_defaults_are_those_of_rclpy() -> None:
    """Promise: constants and defaults have the values and types that rclpy's classes have."""
    codec = codec_for(SCHEMAS['Defaults'])
    expected = {
        'B_CONST': 200,
        'C_CONST': 65,
        'F_CONST': -1.5,
        'G_CONST': 1e300,
        'L_CONST': -(2**63),
        'U_CONST': 2**64 - 1,
        'YES': True,
        'TEXT': "he said 'x'",
        'PLAIN': 'no quotes here',
        'WTEXT': 'wide',
    }
    assert dict(codec.constants) == expected
    for name, value in expected.items():
        assert type(getattr(codec.message_class, name)) is type(value)
    new = codec.new()
    assert (new.x, new.b, new.c, new.f) == (5, 200, 66, -0.5)
    assert (new.s, new.t, new.u, new.w) == ('he "said" it', "it's", 'unquoted text', 'wide')
    assert (new.a.tolist(), new.d.tolist(), new.st) == ([1, 2, 3], [0.5, -1.0], ['a, b', 'c'])
    assert (new.flags.tolist(), new.bytes.tolist(), new.ws) == ([True, False], [1, 2], ['a', 'b'])
    assert (new.part.id, new.part.ok, new.parts[1].id) == (-7, True, -7)
    assert (new.part.ID_MAX, new.part.LABEL) == (300, 'part "x"')
    assert (new.a.dtype, new.flags.dtype) == (np.int32, np.bool_)


def test_idl_has_constants_and_defaults() -> None:
    """Promise: constants and `@default` of a definition in IDL are read, escapes resolved."""
    codec = codec_for(SCHEMAS['Raw'])
    assert dict(codec.constants) == {
        'A_NUMBER': -5,
        'A_TEXT': 'te"xt',
        'A_WIDE': 'wide',
        'A_BOOL': True,
        'AN_OCTET': 255,
        'A_FLOAT': 1.5,
    }
    new = codec.new()
    assert (new.number, new.text, new.flag, new.d) == (7, 'quo"ted', True, -0.25)
    assert new.triple.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ('values', 'named'),
    [
        ({'name': 'abcde'}, 'name: .*abcde.*bound of 4'),
        ({'wide': 'wide'}, 'wide: .*wide.*bound of 3'),
        ({'numbers': [1, 2, 3, 4]}, r'numbers: 4 values are more than the bound of 3'),
        ({'texts': ['a', 'abcd']}, 'texts: .*abcd.*bound of 3'),
        ({'texts': ['a'] * 3}, 'texts: 3 values are more than the bound of 2'),
        ({'loose': ['a'] * 3}, 'loose: 3 values are more than the bound of 2'),
        ({'two': ['a']}, 'two: an array of 2 got 1 values'),
        ({'parts': [{}] * 3}, 'parts: 3 values are more than the bound of 2'),
        ({'parts': [{}, {'id': 70000}]}, r'parts\[1\].id: 70000 is not from -32768'),
        ({'parts': [{}, {'ok': 'yes'}]}, r"parts\[1\].ok: 'yes' is not a bool"),
    ],
)
def test_bounds_are_kept_when_encoding(values: dict[str, Any], named: str) -> None:
    """Promise: a value beyond its bound is an error that names field, value and bound."""
    codec = codec_for(SCHEMAS['Bounded'])
    with pytest.raises(MessageTypeError, match=re.compile(named)) as caught:
        codec.encode(made(codec, values))
    assert '\n' not in str(caught.value)


def test_bounds_are_not_checked_when_decoding() -> None:
    """Promise: what a sender wrote beyond a bound is read, as rclpy of Jazzy reads it."""
    text = BOUNDED.replace('<=', '').replace('string4', 'string').replace('string3', 'string')
    loose = Schema('gold/msg/Bounded', re.sub(r'\[\d\] (?!two)', '[] ', text))
    written = codec_for(loose).new()
    written.name, written.numbers, written.wide = 'abcdefgh', [1, 2, 3, 4], 'wider'
    read = codec_for(SCHEMAS['Bounded']).decode(codec_for(loose).encode(written))
    assert (read.name, read.numbers.tolist(), read.wide) == ('abcdefgh', [1, 2, 3, 4], 'wider')
