use super::super::command;
use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that takes one request and gives this answer; its URL's port, and what it was asked.
fn server(answer: impl Into<Vec<u8>>) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.into();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut buf) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"\r\n\r\n") {
            let n = stream.read(&mut buf).unwrap();
            assert!(n > 0);
            request.extend_from_slice(&buf[..n]);
        }
        let _ = stream.write_all(&answer);
        String::from_utf8(request).unwrap()
    });
    (port, asked)
}

fn web(port: u16) -> WebServer {
    WebServer {
        addr: "127.0.0.1".to_owned(),
        port,
        user: String::new(),
        password: String::new(),
        assets_dir: String::new(),
        pprof: false,
        tls: None,
    }
}

fn answered(answer: &str) -> Result<Answer, String> {
    let (port, _asked) = server(answer);
    call(&web(port), "GET", "/api/status", PATIENCE).map_err(|e| e.replace(&port.to_string(), "PORT"))
}

#[test]
fn answers_come_in_every_form() {
    let body = |answer: &str| answered(answer).map(|answer| String::from_utf8(answer.body).unwrap());
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and what follows is not ours",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        assert_eq!(body(answer).as_deref(), Ok("hello"), "{answer}");
    }
    for (answer, error) in [
        ("", "EOF"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "unexpected EOF"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "unexpected EOF"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", "unexpected EOF"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0", "malformed chunked encoding"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "invalid byte in chunk length"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff0\r\n", "larger than 4194304 bytes"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "larger than 4194304 bytes"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "bad Content-Length \"5, 5\""),
        ("SSH-2.0-dropbear\r\n\r\n", "malformed HTTP response"),
    ] {
        let said = body(answer).unwrap_err();
        assert!(said.starts_with("Get \"http://127.0.0.1:PORT/api/status\": ") && said.contains(error), "{said}");
    }
    assert_eq!(answered("HTTP/1.1 401 Unauthorized\r\n\r\nUnauthorized\n"), Err("api status code [401]".to_owned()));
    let why = "HTTP/1.1 400 Bad Request\r\nContent-Length: 35\r\n\r\n{\"Code\":400,\"Msg\":\"invalid argument\"}";
    assert_eq!(answered(&why.replace("35", "37")), Err("api status code [400]\ninvalid argument".to_owned()));
}

#[test]
fn an_answer_without_end_is_given_up() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(6 << 20, b'x');
    let (port, _asked) = server(endless);
    let said = call(&web(port), "GET", "/api/status", PATIENCE).unwrap_err();
    assert!(said.ends_with("the answer is larger than 4194304 bytes"), "{said}");
}

#[test]
fn silence_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = call(&web(port), "POST", "/api/stop", Duration::from_millis(50)).unwrap_err();
    assert_eq!(said, format!("Post \"http://127.0.0.1:{port}/api/stop\": context deadline exceeded"));
    let said = call(&web(port), "POST", "/api/stop", Duration::ZERO).unwrap_err();
    assert!(said.ends_with("context deadline exceeded"), "{said}");
    drop(listener);
    let said = call(&web(port), "GET", "/api/status", PATIENCE).unwrap_err();
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(said, format!("Get \"http://127.0.0.1:{port}/api/status\": {refused}"));
}

#[test]
fn the_request_is_plain() {
    let (port, asked) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let web = WebServer { user: "Aladdin".to_owned(), password: "open sesame".to_owned(), ..web(port) };
    call(&web, "POST", "/api/stop", PATIENCE).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let wanted = format!(
        "POST /api/stop HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: redial/{version}\r\n\
         Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(asked.join().unwrap(), wanted);
}

#[test]
fn tls_is_refused_in_clear_words() {
    let tls = crate::config::WebTls { cert_file: "c".to_owned(), key_file: "k".to_owned() };
    let said = call(&WebServer { tls: Some(tls), ..web(1) }, "GET", "/api/status", PATIENCE).unwrap_err();
    assert!(said.contains("plain HTTP only"), "{said}");
}

/// What a command says of an answer.
fn said(line: &str, answer: &str) -> (Result<String, String>, String) {
    let (port, asked) = server(answer);
    let file = std::env::temp_dir().join(format!("redial-ask-{}-{port}.toml", std::process::id()));
    // What is wrong with the rest of the file keeps nobody from stopping the client.
    std::fs::write(&file, format!("log.level = \"nonsense\"\nwebServer.port = {port}\n")).unwrap();
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let said = command::parse("redial", &words).unwrap();
    let command::Act::Admin(ask) = said.act() else { panic!("{line}") };
    let result = asked_of(ask, &file, &said);
    std::fs::remove_file(&file).unwrap();
    (result, asked.join().unwrap().lines().next().unwrap_or_default().to_owned())
}

fn asked_of(ask: Ask, file: &std::path::Path, said: &Invocation) -> Result<String, String> {
    asked(ask, file.to_str().unwrap(), &Loader::default(), said)
}

#[test]
fn what_is_printed_is_frpcs() {
    let (said_of, asked) = said("reload", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(said_of.as_deref(), Ok("reload success\n"));
    assert_eq!(asked, "GET /api/reload?strictConfig=true HTTP/1.1");
    let (said_of, asked) = said("stop", "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!((said_of.as_deref(), asked.as_str()), (Ok("stop success\n"), "POST /api/stop HTTP/1.1"));
    let (said_of, _) = said("status", "HTTP/1.1 200 OK\r\n\r\n<html>\n");
    assert_eq!(said_of.unwrap_err(), "unmarshal http response error: <html>");
}

#[test]
fn a_confirmation_needs_a_client_that_knows_it() {
    let line = "reload --confirm 60";
    let (said_of, asked) = said(line, "HTTP/1.1 200 OK\r\nredial-confirm: 60\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(said_of.as_deref(), Ok("reload success\n"));
    assert_eq!(asked, "GET /api/reload?strictConfig=true&confirm=60 HTTP/1.1");
    let (said_of, _) = said(line, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let text = said_of.unwrap_err();
    assert!(text.starts_with("reload success\n") && text.contains("does not know --confirm"), "{text}");
    for (n, wrong) in [("0", true), ("-1", true), ("3601", true), ("1", false), ("3600", false)] {
        let words = ["reload".to_owned(), format!("--confirm={n}")];
        assert_eq!(usage_error(&command::parse("redial", &words).unwrap()).is_some(), wrong, "{n}");
    }
    assert_eq!(usage_error(&command::parse("redial", &["reload".to_owned()]).unwrap()), None);
}

#[test]
fn the_tables_are_frpcs_to_the_last_space() {
    let body = r#"{"tcp":[
        {"name":"ssh","type":"tcp","status":"running","err":"","local_addr":"127.0.0.1:22","plugin":"","remote_addr":"127.0.0.1:26001"},
        {"name":"px","type":"tcp","status":"running","err":"","local_addr":"","plugin":"http_proxy","remote_addr":"127.0.0.1:26004"},
        {"name":"bad","type":"tcp","status":"start error","err":"port not allowed","local_addr":"127.0.0.1:22","plugin":"","remote_addr":"","source":"store"}]}"#;
    let wanted = "\
Proxy Status...

TCP
Name··Status·······LocalAddr·····Plugin······RemoteAddr·······Error·············
bad···start error··127.0.0.1:22·······························port not allowed··
px····running····················http_proxy··127.0.0.1:26004····················
ssh···running······127.0.0.1:22··············127.0.0.1:26001····················

";
    assert_eq!(table::render(body.as_bytes()).unwrap().replace(' ', "·"), wanted.replace(' ', "·"));
    let order = r#"{"xtcp":[{"name":"é"}],"udp":[{"name":"u"}],"http":null,"new":[{"name":"n"}],"stcp":[]}"#;
    let text = table::render(order.as_bytes()).unwrap();
    assert!(text.find("UDP").unwrap() < text.find("XTCP").unwrap() && !text.contains("HTTP") && !text.contains("STCP"));
    assert!(text.contains("\né     "), "characters count, not bytes: {text}");
    for empty in ["{}", "null", "{}\n"] {
        assert_eq!(table::render(empty.as_bytes()).as_deref(), Some("Proxy Status...\n\n"));
    }
    for nonsense in ["", "[]", "{\"tcp\":1}", "{\"tcp\":[1]}", "{"] {
        assert_eq!(table::render(nonsense.as_bytes()), None, "{nonsense}");
    }
}
