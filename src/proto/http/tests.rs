use super::*;

/// A whole conversation: every request is answered with what was understood of it; bodies of `PUT` are taken up to 20
/// bytes. What is said in the end, and whether the connection is closed.
fn talk(pieces: &[&[u8]]) -> (String, bool) {
    let (mut http, mut said) = (Http::default(), Vec::new());
    let run = |http: &mut Http, said: &mut Vec<u8>| {
        loop {
            said.append(http.output());
            match http.poll() {
                None if http.output().is_empty() => break,
                None => {}
                Some(Event::Request(request)) if request.method == Method::Put => http.take_body(20),
                Some(Event::Request(r)) => {
                    let auth = r.authorization.as_deref().unwrap_or("-");
                    let text = format!("<{:?} {} ?{} {auth} {}>", r.method, r.path, r.query, r.gzip);
                    http.respond(&Response::text(200, text), 0);
                }
                Some(Event::Body(body)) => {
                    http.respond(&Response::text(200, format!("<{}>", String::from_utf8_lossy(&body))), 0);
                }
            }
        }
    };
    for piece in pieces {
        http.feed(piece);
        run(&mut http, &mut said);
    }
    let open = !http.closed();
    http.on_eof();
    run(&mut http, &mut said);
    assert!(http.closed() && http.rx.is_empty());
    (String::from_utf8(said).unwrap(), !open)
}

/// Statuses and marked bodies, in short.
fn gist(said: &str) -> String {
    let mut out = Vec::new();
    for part in said.split("HTTP/1.1 ").skip(1) {
        out.push(part.get(..3).unwrap().to_owned());
        let marked = part.find('<').map(|at| part.get(at..).unwrap().to_owned());
        out.extend(marked);
    }
    out.join(" ")
}

const HOST: &str = "Host: a\r\n";

#[test]
fn requests_are_understood() {
    let long = "x".repeat(MAX_HEAD);
    let many = "A: b\r\n".repeat(80);
    let cases: &[(&str, &str, bool)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200 <Get / ? - false>", false),
        ("GET / HTTP/1.1\nHost: a\n\n", "200 <Get / ? - false>", false),
        ("GET /a%20b%2Fc?q=%41&x HTTP/1.1\r\nHost: a\r\n\r\n", "200 <Get /a b/c ?q=%41&x - false>", false),
        ("GET http://a:1/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "200 <Get /x ?y - false>", false),
        ("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "200 <Get / ? - false>", false),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "200 <Other * ? - false>", false),
        (
            "GET / HTTP/1.1\r\nhOST: a\r\nauthorization: Basic x\r\nAccept-Encoding: br, GZip\r\n\r\n",
            "200 <Get / ? Basic x true>",
            false,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0\r\n\r\n", "200 <Get / ? - false>", false),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "200 <Get / ? - false>",
            true,
        ),
        ("GET / HTTP/1.0\r\n\r\n", "200 <Get / ? - false>", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 <Get / ? - false>", false),
        ("GET / HTTP/1.1\r\n\r\n", "400", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400", true),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", "400", true),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400", true),
        ("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", "400", true),
        ("PRI * HTTP/2.0\r\n\r\n", "505", true),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", "505", true),
        ("GET /\r\n\r\n", "400", true),
        ("\r\n\r\n", "400", true),
        ("\x16\x03\x01\x02\r\n\r\n", "400", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "400", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", "400", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "400", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "417", true),
    ];
    for (input, expected, closed) in cases {
        let (said, shut) = talk(&[input.as_bytes()]);
        assert_eq!((gist(&said).as_str(), shut), (*expected, *closed), "{input:?}: {said:?}");
    }
    for input in [format!("GET /{long} HTTP/1.1\r\n"), format!("GET / HTTP/1.1\r\n{HOST}{many}\r\n")] {
        let (said, shut) = talk(&[input.as_bytes()]);
        assert_eq!((gist(&said).as_str(), shut), ("431", true));
    }
}

#[test]
fn a_head_of_exactly_the_limit_is_read() {
    for (more, status) in [(0, "200"), (1, "431")] {
        let frame = format!("GET / HTTP/1.1\r\n{HOST}X: \r\n\r\n").len();
        let input = format!("GET / HTTP/1.1\r\n{HOST}X: {}\r\n\r\n", "x".repeat(MAX_HEAD - frame + more));
        assert!(gist(&talk(&[input.as_bytes()]).0).starts_with(status));
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (lines, status) in [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", "400"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2", "400"),
        ("Content-Length: 2\r\nContent-Length: 2", "400"),
        ("Content-Length: 2, 2", "400"),
        ("Content-Length: +2", "400"),
        ("Content-Length: -2", "400"),
        ("Content-Length: 0x2", "400"),
        ("Content-Length:", "400"),
        ("Content-Length: 99999999999999999999", "400"),
        ("Transfer-Encoding: gzip, chunked", "501"),
        ("Transfer-Encoding: identity", "501"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "501"),
        ("Content-Length: 21", "413"),
        ("Content-Length: 18446744073709551615", "413"),
    ] {
        let input = format!("PUT / HTTP/1.1\r\n{HOST}{lines}\r\n\r\nokGET / HTTP/1.1\r\n{HOST}\r\n");
        let (said, shut) = talk(&[input.as_bytes()]);
        assert_eq!((gist(&said).as_str(), shut), (status, true), "{lines}");
    }
    let input = "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    assert_eq!(gist(&talk(&[input.as_bytes()]).0), "400");
}

#[test]
fn bodies_come_by_length_or_in_chunks() {
    let chunked = |body: &str| format!("PUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: Chunked\r\n\r\n{body}");
    for (body, expected, shut) in [
        ("2\r\nok\r\n0\r\n\r\n", "200 <ok>", false),
        ("0\r\n\r\n", "200 <>", false),
        ("00000002;a=\"b\" \r\nok\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", "200 <ok0123456789>", false),
        ("14\r\n01234567890123456789\r\n0\r\n\r\n", "200 <01234567890123456789>", false),
        ("15\r\n012345678901234567890\r\n0\r\n\r\n", "413", true),
        ("ffffffff\r\n", "", true),
        ("fffffffff\r\n", "400", true),
        ("000000002\r\nok", "400", true),
        ("\r\nok", "400", true),
        (";x\r\nok", "400", true),
        ("2\nok\r\n", "400", true),
        ("2\r\nokk", "400", true),
        ("2\r\nok\n", "400", true),
        ("-2\r\nok", "400", true),
        ("0\r\nX\n", "400", true),
        ("0\r\n\rX", "400", true),
        ("1;\u{1}\r\n", "400", true),
    ] {
        let (said, closed) = talk(&[chunked(body).as_bytes()]);
        let open_end = expected.is_empty();
        assert!(gist(&said) == expected && (closed == shut || open_end), "{body:?}: {said:?} {closed}");
    }
    let endless = format!("0\r\n{}", "X: y\r\n".repeat(2000));
    assert_eq!(gist(&talk(&[chunked(&endless).as_bytes()]).0), "413");
    let by_length = format!("PUT / HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\nokGET /next HTTP/1.1\r\n{HOST}\r\n");
    assert_eq!(gist(&talk(&[by_length.as_bytes()]).0), "200 <ok> 200 <Get /next ? - false>");
}

/// A conversation with everything in it.
fn medley() -> String {
    format!(
        "GET /1 HTTP/1.1\r\n{HOST}\r\nPUT / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabcPOST /2 HTTP/1.1\r\n{HOST}Content-Length: \
         4\r\n\r\ndropHEAD /3 HTTP/1.1\r\n{HOST}\r\nPUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\n\
         de\r\n0\r\nT: u\r\n\r\nPOST /4 HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /5 HTTP/1.0\r\n\r\n"
    )
}

#[test]
fn it_is_the_same_wherever_it_is_split() {
    let whole = medley();
    let (said, closed) = talk(&[whole.as_bytes()]);
    let all = "200 <Get /1 ? - false> 200 <abc> 200 <Post /2 ? - false> 200 200 <abcde> 200 <Post /4 ? - false> 200 <Get /5 ? - \
               false>";
    assert_eq!((gist(&said).as_str(), closed), (all, true));
    for at in 0..=whole.len() {
        let (one, two) = whole.as_bytes().split_at(at);
        assert_eq!(talk(&[one, two]), (said.clone(), closed), "split at {at}");
    }
    let drip: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
    assert_eq!(talk(&drip), (said, closed));
}

#[test]
fn a_body_is_asked_for_only_when_it_is_wanted() {
    let head = format!("PUT / HTTP/1.1\r\n{HOST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    let mut http = Http::default();
    http.feed(head.as_bytes());
    assert!(matches!(http.poll(), Some(Event::Request(_))));
    http.take_body(2);
    assert_eq!(http.output(), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(!http.wants() && http.poll().is_none());
    http.output().clear();
    assert!(http.wants());
    http.feed(b"ok");
    assert_eq!(http.poll(), Some(Event::Body(b"ok".to_vec())));
    http.respond(&Response::empty(200), 0);
    assert!(!http.closed());
    // It came already: nobody needs to be told.
    assert!(!talk(&[head.as_bytes(), b""]).0.is_empty());
    assert_eq!(gist(&talk(&[format!("{head}ok").as_bytes()]).0), "200 <ok>");
    // Refused before the body: what comes next cannot be told.
    let (said, closed) = talk(&[head.replace("PUT", "POST").as_bytes()]);
    assert!(closed && said.contains("Connection: close\r\n") && !said.contains("100 Continue"), "{said}");
}

#[test]
fn a_body_that_nobody_wants_is_dropped_or_ends_the_connection() {
    for (len, closed) in [(MAX_DROPPED, false), (MAX_DROPPED + 1, true)] {
        let head = format!("POST / HTTP/1.1\r\n{HOST}Content-Length: {len}\r\n\r\n");
        let body = vec![b'x'; len];
        let next = format!("GET /next HTTP/1.1\r\n{HOST}\r\n");
        let (said, shut) = talk(&[head.as_bytes(), &body, next.as_bytes()]);
        assert_eq!((said.contains("</next") || said.contains("Get /next"), shut), (!closed, closed), "{len}");
    }
    let head = format!("POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let pieces: Vec<&[u8]> = core::iter::once(head.as_bytes()).chain([chunk.as_bytes(); 20]).collect();
    assert!(talk(&pieces).1, "chunks without end");
}

#[test]
fn one_request_at_a_time() {
    let mut http = Http::default();
    http.feed(format!("GET /1 HTTP/1.1\r\n{HOST}\r\nGET /2 HTTP/1.1\r\n{HOST}\r\n").as_bytes());
    assert!(matches!(http.poll(), Some(Event::Request(r)) if r.path == "/1"));
    assert!(http.poll().is_none() && !http.wants(), "the first one is not answered");
    http.respond(&Response::empty(200), 0);
    assert!(http.poll().is_none() && !http.wants(), "its answer is not taken");
    http.output().clear();
    assert!(matches!(http.poll(), Some(Event::Request(r)) if r.path == "/2"));
    http.on_eof();
    assert!(http.poll().is_none() && !http.closed(), "who has stopped sending may still read");
    http.respond(&Response::empty(200), 0);
    assert!(http.closed() && String::from_utf8_lossy(http.output()).contains("Connection: close"));
}

#[test]
fn an_answer_says_what_it_is() {
    let mut http = Http::default();
    http.feed(format!("GET / HTTP/1.1\r\n{HOST}\r\n").as_bytes());
    assert!(http.poll().is_some());
    http.respond(&Response::text(404, "no\n").with("X-Y", "a\r\nEvil: b"), 784_887_151);
    assert_eq!(
        String::from_utf8_lossy(http.output()),
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nX-Y: a  Evil: b\r\nDate: Tue, 15 Nov 1994 \
         08:12:31 GMT\r\nContent-Length: 3\r\n\r\nno\n"
    );
    http.respond(&Response::empty(500), 0);
    assert!(!String::from_utf8_lossy(http.output()).contains("500"), "one answer to one request");
}

#[test]
fn hostile_bytes_cost_no_more_than_was_said() {
    let whole = medley();
    for seed in 0..3000_u32 {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % below.max(1)
        };
        let mut bytes = whole.as_bytes().to_vec();
        for _ in 0..=random(6) {
            if bytes.is_empty() {
                break;
            }
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n:;0 %"[random(7)]),
                _ => bytes.truncate(at + 1),
            }
        }
        let (mut http, mut at) = (Http::default(), 0);
        while at < bytes.len() && !http.closed() {
            let piece = (1 + random(300)).min(bytes.len() - at);
            http.feed(&bytes[at..at + piece]);
            at += piece;
            for _ in 0..100 {
                assert!(http.holds() <= MAX_HEAD + 300 + bytes.len() + 512, "seed {seed}");
                http.output().clear();
                match http.poll() {
                    Some(Event::Request(r)) if r.method == Method::Put => http.take_body(100),
                    Some(_) => http.respond(&Response::empty(200), 0),
                    None if http.output().is_empty() => break,
                    None => {}
                }
            }
        }
    }
}
