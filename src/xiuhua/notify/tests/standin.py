"""Stand-ins of the providers on loopback: each checks what its documentation asks and answers with its codes.

Signatures are worked out here a second time, from the documentation, from what arrived on the wire.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SECRET = "stand-in-secret"


@dataclass
class Provider:
    """What arrived, and what to answer next. ``answers``: (status, body, headers) taken before the usual ones."""

    url: str = ""
    sent: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    tokens: int = 0
    token: str = ""
    hits: int = 0


def _hmac(key: bytes, text: str | bytes) -> bytes:
    return hmac.new(key, text.encode() if isinstance(text, str) else text, hashlib.sha256).digest()


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes) -> None:
        it, parts = self.provider, urlsplit(self.path)
        it.hits += 1
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        own = {
            "/cgi-bin/gettoken": self._token, "/gettoken": self._token,
            "/cgi-bin/message/send": self._wecom, "/cgi-bin/webhook/send": self._wecom_robot,
            "/topapi/message/corpconversation/asyncsend_v2": self._dingtalk, "/robot/send": self._dingtalk_robot,
            "/hook": self._webhook,
        }.get(parts.path)  # fmt: skip
        if own is None:
            own = self._aliyun if "x-acs-action" in self.headers else self._tencent
        if it.answers and "token" not in parts.path:
            status, answer, headers = it.answers.pop(0)
        else:
            headers = {}
            status, answer = own(query, body)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _refuse(self, why: str, answer: Any, status: int = 200) -> tuple[int, Any]:
        self.provider.refused.append(why)
        return status, answer

    def _aliyun(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        head = self.headers["Authorization"]
        given = dict(one.split("=", 1) for one in head.removeprefix("ACS3-HMAC-SHA256 ").split(","))
        names = given["SignedHeaders"].split(";")
        lines = "".join(f"{name}:{self.headers[name].strip()}\n" for name in names)
        pairs = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items()))
        hashed = hashlib.sha256(body).hexdigest()
        text = f"{self.command}\n/\n{pairs}\n{lines}\n{';'.join(names)}\n{hashed}"
        want = _hmac(SECRET.encode(), f"ACS3-HMAC-SHA256\n{hashlib.sha256(text.encode()).hexdigest()}").hex()
        needed = {
            "host",
            "x-acs-action",
            "x-acs-version",
            "x-acs-date",
            "x-acs-signature-nonce",
            "x-acs-content-sha256",
        }
        if given["Signature"] != want or not needed <= set(names) or given["Credential"] != "key-id":
            return self._refuse("signature", {"Code": "SignatureDoesNotMatch"}, 400)
        if (self.headers["x-acs-action"], self.headers["x-acs-version"]) != ("SendSms", "2017-05-25"):
            return self._refuse("action", {"Code": "InvalidAction.NotFound"}, 404)
        if not query["PhoneNumbers"].isdigit() or len(query["PhoneNumbers"]) != 11:
            return self._refuse("number", {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "号码格式错误"})
        self.provider.sent.append({**query, "TemplateParam": json.loads(query["TemplateParam"])})
        return 200, {"Code": "OK", "Message": "OK", "BizId": "biz-1", "RequestId": "r"}

    def _tencent(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        stamp = self.headers["X-TC-Timestamp"]
        head = self.headers["Authorization"].removeprefix("TC3-HMAC-SHA256 ")
        given = dict(one.strip().split("=", 1) for one in head.split(","))
        _who, day, service, end = given["Credential"].split("/")
        names = given["SignedHeaders"].split(";")
        values = {name: self.headers[name].strip() for name in names} | {
            "x-tc-action": self.headers["X-TC-Action"].lower()
        }
        lines = "".join(f"{name}:{values[name]}\n" for name in names)
        request = f"POST\n/\n\n{lines}\n{';'.join(names)}\n{hashlib.sha256(body).hexdigest()}"
        text = f"TC3-HMAC-SHA256\n{stamp}\n{day}/{service}/{end}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = _hmac(_hmac(_hmac(f"TC3{SECRET}".encode(), day), service), "tc3_request")
        if _hmac(key, text).hex() != given["Signature"] or service != "sms":
            return self._refuse("signature", {"Response": {"Error": {"Code": "AuthFailure.SignatureFailure"}}})
        content = json.loads(body)
        if not content["PhoneNumberSet"][0].startswith("+86"):
            return self._refuse(
                "number", {"Response": {"SendStatusSet": [{"Code": "InvalidParameterValue.IncorrectPhoneNumber"}]}}
            )
        self.provider.sent.append(content)
        return 200, {"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "s-1"}], "RequestId": "r"}}

    def _token(self, query: dict[str, str], _body: bytes) -> tuple[int, Any]:
        if (query.get("corpsecret") or query.get("appsecret")) != SECRET:
            return self._refuse("secret", {"errcode": 40001, "errmsg": "invalid credential"})
        it = self.provider
        it.tokens += 1
        it.token = f"token-{it.tokens}"
        return 200, {"errcode": 0, "errmsg": "ok", "access_token": it.token, "expires_in": 7200}

    def _wecom(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if query["access_token"] != self.provider.token:
            return self._refuse("token", {"errcode": 42001, "errmsg": "access_token expired"})
        content = json.loads(body)
        assert content["agentid"] == 1000002 and content[content["msgtype"]]
        if content["touser"] == "nobody":
            return 200, {"errcode": 0, "errmsg": "ok", "invaliduser": "nobody", "msgid": "m"}
        self.provider.sent.append(content)
        return 200, {"errcode": 0, "errmsg": "ok", "msgid": "m-1"}

    def _wecom_robot(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if query["key"] != SECRET:
            return self._refuse("key", {"errcode": 93000, "errmsg": "invalid webhook url"})
        if len(self.provider.sent) >= 20:
            return self._refuse("limit", {"errcode": 45009, "errmsg": "api freq out of limit"})
        content = json.loads(body)
        assert len(content["markdown"]["content"].encode()) <= 4096
        self.provider.sent.append(content)
        return 200, {"errcode": 0, "errmsg": "ok"}

    def _dingtalk(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if query["access_token"] != self.provider.token:
            return self._refuse("token", {"errcode": 88, "sub_code": "40014", "sub_msg": "不合法的access_token"})
        content = json.loads(body)
        assert content["agent_id"] == 77 and content["msg"][content["msg"]["msgtype"]]
        self.provider.sent.append(content)
        return 200, {"errcode": 0, "errmsg": "ok", "task_id": 256271667526}

    def _dingtalk_robot(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        want = base64.b64encode(_hmac(SECRET.encode(), f"{query['timestamp']}\n{SECRET}")).decode()
        if unquote(query["sign"]) != want or len(query["timestamp"]) != 13:
            return self._refuse("sign", {"errcode": 310000, "errmsg": "sign not match"})
        if len(self.provider.sent) >= 20:
            return self._refuse("limit", {"errcode": 130101, "errmsg": "send too fast"})
        self.provider.sent.append(json.loads(body))
        return 200, {"errcode": 0, "errmsg": "ok"}

    def _webhook(self, _query: dict[str, str], body: bytes) -> tuple[int, Any]:
        key, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        want = base64.b64encode(_hmac(b"k" * 32, f"{key}.{stamp}.".encode() + body)).decode()
        if f"v1,{want}" not in self.headers["webhook-signature"].split():
            return self._refuse("signature", {}, 401)
        self.provider.sent.append({"id": key, "host": self.headers["Host"], **json.loads(body)})
        return 204, b""


@contextmanager
def provider(tls: ssl.SSLContext | None = None) -> Iterator[Provider]:
    """One on loopback; with ``tls`` it speaks HTTPS."""
    found = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"provider": found}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    found.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Smtp(socketserver.StreamRequestHandler):
    """RFC 5321 as far as one message needs it; log-in by PLAIN."""

    secure = False

    def _secure(self) -> None:
        server: Any = self.server
        self.connection = server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), socketserver._SocketWriter(self.connection)
        self.secure = True

    def handle(self) -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # a client that does not trust us goes
            self._talk()

    def _talk(self) -> None:
        server: Any = self.server
        if server.security == "tls":
            self._secure()
        self.wfile.write(b"220 stand-in\r\n")
        sender, to, known = "", [], False
        while line := self.rfile.readline().decode().strip():
            verb = line.upper()
            if verb.startswith("EHLO"):
                self.wfile.write(b"250-stand-in\r\n")
                if server.security == "starttls" and not self.secure:
                    self.wfile.write(b"250 STARTTLS\r\n")  # no log-in before TLS
                else:
                    self.wfile.write(b"250 AUTH PLAIN\r\n")
            elif verb == "STARTTLS" and server.security == "starttls":
                self.wfile.write(b"220 go\r\n")
                self._secure()
            elif verb.startswith("AUTH PLAIN"):
                known = base64.b64decode(line.split()[2]) == f"\0house\0{SECRET}".encode()
                self.wfile.write(b"235 ok\r\n" if known else b"535 no\r\n")
            elif verb.startswith("MAIL FROM"):
                sender = line[10:].split(">")[0].lstrip("<")
                self.wfile.write(b"250 ok\r\n" if known else b"530 log in\r\n")
            elif verb.startswith("RCPT TO"):
                name = line[8:].split(">")[0].lstrip("<")
                code = {"nobody": b"550 unknown", "full": b"452 full"}.get(name.split("@")[0], b"250 ok")
                to.append(name)
                self.wfile.write(code + b"\r\n")
            elif verb == "DATA":
                self.wfile.write(b"354 go\r\n")
                lines = []
                while (one := self.rfile.readline()) != b".\r\n":
                    lines.append(one)
                server.mails.append((sender, to, b"".join(lines)))
                server.secure.append(self.secure)
                self.wfile.write(b"250 ok\r\n")
            elif verb == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@contextmanager
def smtp(security: str = "none", tls: ssl.SSLContext | None = None) -> Iterator[Any]:
    """A mail server; ``mails`` are (sender, recipients, bytes), ``secure`` whether each came in TLS."""
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp)
    server.mails, server.secure, server.security, server.tls = [], [], security, tls
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
