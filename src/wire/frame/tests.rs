use super::*;
use crate::wire::msg::{NatHoleResp, NewProxy, Ping, ReqWorkConn};

#[test]
fn a_frame_is_complete_or_not() {
    let mut bytes = Vec::new();
    encode(&ReqWorkConn {}.into(), &mut bytes).unwrap();
    encode(&Ping::default().into(), &mut bytes).unwrap();
    let first = 9 + 2;
    for cut in 0..bytes.len() {
        match decode(&bytes[..cut]).unwrap() {
            None => assert!(cut < first),
            Some((message, used)) => assert_eq!((message.name(), used), ("ReqWorkConn", first)),
        }
    }
    assert_eq!(decode(&bytes[first..]).unwrap().unwrap().0, Ping::default().into());
}

#[test]
fn wrong_frames_are_found_early() {
    assert_eq!(decode(b"F"), Err(FrameError::UnknownType(b'F')));
    assert_eq!(decode(b"1\xff\xff\xff\xff\xff\xff\xff\xff"), Err(FrameError::BadLength(-1)));
    assert_eq!(decode(&[b'1', 0, 0, 0, 0, 0, 0, 0x28, 1]), Err(FrameError::BadLength(10241)));
    assert_eq!(decode(&[b'1', 0, 0, 0, 0, 0, 0, 0x28, 0]), Ok(None));
    let Err(FrameError::BadBody(_)) = decode(b"1\0\0\0\0\0\0\0\x02[]") else { panic!("a list is no message") };
    let Err(FrameError::BadBody(_)) = decode(b"1\0\0\0\0\0\0\0\x02\xff\xfe") else { panic!("not UTF-8") };
}

#[test]
fn the_longest_body_is_10240() {
    let empty = { br#"{"proxy_name":""}"#.len() };
    for (size, fits) in [(MAX_BODY, true), (MAX_BODY + 1, false)] {
        let message = NewProxy { proxy_name: "n".repeat(size - empty), ..NewProxy::default() }.into();
        let mut out = b"before".to_vec();
        assert_eq!(encode(&message, &mut out).is_ok(), fits);
        assert_eq!(out.len(), if fits { 6 + HEADER + size } else { 6 });
    }
}

#[test]
fn null_and_unknown_fields_are_accepted() {
    let body =
        br#"{"candidate_addrs":null,"assisted_addrs":["a"],"detect_behavior":{"role":"sender","x":1},"news":{}}"#;
    let frame = [b"m\0\0\0\0\0\0\0".as_slice(), &[body.len() as u8], body].concat();
    let (message, _) = decode(&frame).unwrap().unwrap();
    let Message::NatHoleResp(NatHoleResp { candidate_addrs, assisted_addrs, detect_behavior, .. }) = message else {
        panic!("another message")
    };
    assert_eq!((candidate_addrs.len(), assisted_addrs.len(), detect_behavior.role.as_str()), (0, 1, "sender"));
}

#[test]
fn random_bytes_never_panic() {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u8
    };
    for _ in 0..20_000 {
        let kind = b"o1p2cwrsv3h4uinm56"[usize::from(next()) % 18];
        let len = next() % 24;
        let mut frame = vec![kind, 0, 0, 0, 0, 0, 0, 0, len];
        let alphabet = b"{}[]\",:0123-e.ntf\\u\xff ";
        frame.extend((0..len).map(|_| alphabet[usize::from(next()) % alphabet.len()]));
        let _ = decode(&frame);
    }
}

#[test]
fn other_protocols_are_named() {
    assert!(guess(b"HTTP/1.1 400 Bad Request").unwrap().contains("web server"));
    assert!(guess(&[0x15, 3, 1]).unwrap().contains("TLS"));
    assert!(guess(&[0, 1, 0, 2]).unwrap().contains("tcpMux"));
    assert_eq!(guess(b"1"), None);
}
