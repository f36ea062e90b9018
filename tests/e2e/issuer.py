"""An OIDC issuer for the tests: discovery, keys, and client credentials whose tokens it signs with RS256.

usage: issuer.py -c FILE     FILE is JSON; all keys are optional but "key":
  key        PEM file of the RSA key that signs
  port       of HTTP; 0: a free one
  tls        [certificate, key]: HTTPS at another port as well
  secret     of the client "c"
  style      "header", "body" or "any": where the secret has to be
  lasts      seconds; missing: the answer does not say, and the token lasts an hour
  audience   of the tokens
  token_file where to put a token, before anything is said
  script     answers to give first; each one is "drop", "hang", or {"status", "type", "body", "chunked"}
Each line of its output is an event: "ready HTTP-URL HTTPS-URL", "asked METHOD PATH AUTHORIZATION TYPE BODY", "connect ADDRESS",
"granted HOW-MANY".
"""

import base64
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open(sys.argv[sys.argv.index("-c") + 1]) as file:
    SETTINGS = json.load(file)
SCRIPT = list(SETTINGS.get("script", []))
GRANTED = []
LOCK = threading.Lock()


def say(*words):
    with LOCK:
        print(*words, flush=True)


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


def token():
    now, lasts = int(time.time()), SETTINGS.get("lasts") or 3600
    with LOCK:
        GRANTED.append(now)
        number = len(GRANTED)
    claims = {"iss": URL, "sub": "redial", "aud": SETTINGS.get("audience", "frps"), "iat": now, "exp": now + lasts}
    parts = [{"alg": "RS256", "kid": "k", "typ": "JWT"}, claims | {"number": number}]
    text = ".".join(coded(json.dumps(part).encode()) for part in parts)
    return number, text + "." + coded(openssl("dgst", "-sha256", "-sign", SETTINGS["key"], data=text.encode()))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json", chunked=False):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        if chunked:
            pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/.well-known/openid-configuration":
            places = {"jwks_uri": "/keys", "token_endpoint": "/token", "authorization_endpoint": "/authorize"}
            urls = {name: URL + path for name, path in places.items()}
            self.answer(200, urls | {"issuer": URL, "id_token_signing_alg_values_supported": ["RS256"]})
        elif self.path == "/keys":
            number = openssl("rsa", "-in", SETTINGS["key"], "-noout", "-modulus").decode().strip().split("=")[1]
            key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "e": "AQAB"}
            self.answer(200, {"keys": [key | {"n": coded(bytes.fromhex(number))}]})
        else:
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        say("asked", self.command, self.path, self.headers.get("Authorization"), self.headers.get("Content-Type"), body)
        with LOCK:
            play = SCRIPT.pop(0) if SCRIPT else None
        if play == "hang":
            time.sleep(3600)
        elif play == "drop":
            self.close_connection = True
        elif play:
            kind = play.get("type", "application/json")
            self.answer(play.get("status", 200), play.get("body", ""), kind, play.get("chunked", False))
        elif not self.knows(body.split("&")):
            self.answer(401, {"error": "invalid_client", "error_description": "who are you"})
        else:
            number, text = token()
            lasts = {"expires_in": SETTINGS["lasts"]} if "lasts" in SETTINGS else {}
            say("granted", number)
            self.answer(200, {"access_token": text, "token_type": "Bearer"} | lasts, chunked=True)

    def do_CONNECT(self):
        """As a proxy, to anything on this machine."""
        say("connect", self.path)
        far = socket.create_connection(("127.0.0.1", int(self.path.rsplit(":", 1)[1])))
        self.send_response(200)
        self.end_headers()

        def copy(source, sink):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

        threading.Thread(target=copy, args=(far, self.connection), daemon=True).start()
        copy(self.connection, far)
        self.close_connection = True

    def knows(self, fields):
        secret, style = SETTINGS.get("secret", "a secret"), SETTINGS.get("style", "any")
        escaped = secret.replace(" ", "+")
        basic = "Basic " + base64.b64encode(f"c:{escaped}".encode()).decode()
        header = style != "body" and self.headers.get("Authorization") == basic
        return header or (style != "header" and {"client_id=c", f"client_secret={escaped}"} <= set(fields))


server = ThreadingHTTPServer(("127.0.0.1", SETTINGS.get("port", 0)), Handler)
URL = secure_url = f"http://127.0.0.1:{server.server_port}"
if "token_file" in SETTINGS:
    with open(SETTINGS["token_file"], "w") as file:
        file.write(token()[1] + "\n")
if "tls" in SETTINGS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*SETTINGS["tls"])
    secure = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # Not in the thread that accepts.
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    secure_url = f"https://127.0.0.1:{secure.server_port}"
    threading.Thread(target=secure.serve_forever, daemon=True).start()
say("ready", URL, secure_url)
server.serve_forever()
