"""Public lines of nodes that nobody runs, by the thousand: made here by libsodium, since a program for each would take minutes.

The secrets are forgotten at once; nodes that a test does run have keys of "kurzweg key new".
"""

import base64
import ctypes
import ctypes.util

LABEL = b"kurzweg1 sign key\0"
KIND_NODE, MODE_LIVE, MODE_EXERCISE = 1, 1, 2


def sodium():
    library = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
    if library.sodium_init() < 0:
        raise AssertionError("libsodium does not start")
    return library


def key_line(library, name, exercise=False):
    """The line of certs/keys.h for a new node key of that name."""
    sign_pk, sign_sk, pk, sk = (ctypes.create_string_buffer(n) for n in (32, 64, 32, 32))
    signature = ctypes.create_string_buffer(64)
    library.crypto_sign_keypair(sign_pk, sign_sk)
    body = bytes([KIND_NODE, MODE_EXERCISE if exercise else MODE_LIVE, len(name)]) + name.encode() + sign_pk.raw
    for _ in ("seal", "curve"):
        library.crypto_box_keypair(pk, sk)
        body += pk.raw
    signed = LABEL + b"kwnode1:" + body
    library.crypto_sign_detached(signature, None, signed, ctypes.c_ulonglong(len(signed)), sign_sk)
    return "kwnode1:" + base64.urlsafe_b64encode(body + signature.raw).decode().rstrip("=")


def key_lines(names, exercise=False):
    library = sodium()
    return {name: key_line(library, name, exercise) for name in names}
