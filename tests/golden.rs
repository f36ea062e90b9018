//! The vectors that were checked against frp itself, run through our codings.

use redial::proto::codec::Codec;
use redial::proto::crypto::{Decrypt, Encrypt, auth_key, derive_key};
use redial::proto::snappy::Workspace;
use redial::wire::frame;
use redial::wire::yamux::Header;
use serde_json::Value;

fn vectors(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("tests/golden/{file}.json")).expect("a golden file");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    match file["vectors"].take() {
        Value::Array(list) if !list.is_empty() => list,
        _ => panic!("no vectors"),
    }
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or_else(|| panic!("{key} in {v}"))
}

fn number(v: &Value, key: &str) -> i64 {
    v[key].as_i64().unwrap_or_else(|| panic!("{key} in {v}"))
}

fn bytes(v: &Value, key: &str) -> Vec<u8> {
    unhex(text(v, key))
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn array(v: &Value, key: &str) -> [u8; 16] {
    bytes(v, key).try_into().expect("16 bytes")
}

#[test]
fn frames_decode_to_what_they_say_and_back() {
    for v in vectors("v1_frames") {
        let wire = bytes(&v, "frame");
        let (message, used) = frame::decode(&wire).expect("a frame").expect("complete");
        assert_eq!((used, message.name().to_lowercase()), (wire.len(), text(&v, "name").to_lowercase()));
        let mut ours = Vec::new();
        frame::encode(&message, &mut ours).expect("fits");
        let json = |frame: &[u8]| serde_json::from_slice::<Value>(&frame[frame::HEADER..]).expect("JSON");
        assert_eq!(json(&ours), json(&wire), "{}", text(&v, "name"));
        assert_eq!(ours[0], wire[0]);
        let length = i64::from_be_bytes(ours[1..9].try_into().expect("8 bytes"));
        assert_eq!(length, i64::try_from(ours.len() - frame::HEADER).expect("small"));
    }
}

#[test]
fn mux_headers() {
    for v in vectors("yamux") {
        let wire = bytes(&v, "header");
        let header = Header::decode(wire.first_chunk().expect("12 bytes")).expect("a header");
        let fields = (i64::from(header.flags.0), i64::from(header.stream), i64::from(header.length));
        assert_eq!(fields, (number(&v, "flags"), number(&v, "stream_id"), number(&v, "length")));
        assert_eq!(header.encode().to_vec(), wire, "{}", text(&v, "note"));
    }
}

#[test]
fn proofs_and_keys() {
    for v in vectors("auth_key") {
        assert_eq!(auth_key(text(&v, "secret"), number(&v, "timestamp")), text(&v, "key"));
    }
    for v in vectors("kdf_v1") {
        assert_eq!(derive_key(text(&v, "password_utf8")), array(&v, "key"));
    }
}

#[test]
fn control_streams() {
    for v in vectors("cfb_stream") {
        let (key, iv) = (array(&v, "key"), array(&v, "iv"));
        let chunks = |key: &str| v[key].as_array().expect("a list").iter().map(|c| unhex(c.as_str().expect("hex")));
        let (plain, cipher): (Vec<_>, Vec<_>) =
            (chunks("plaintext_chunks").collect(), chunks("ciphertext_chunks").collect());
        let mut seal = Encrypt::new(&key, iv);
        for (plain, cipher) in plain.iter().zip(&cipher) {
            let mut data = plain.clone();
            seal.apply(&mut data);
            assert_eq!(&data, cipher, "{}", text(&v, "note"));
        }
        let mut wire = bytes(&v, "wire");
        let mut open = Decrypt::new(&key);
        assert_eq!(open.feed(&mut wire).to_vec(), plain.concat());
    }
}

#[test]
fn work_connection_streams() {
    let mut seen = 0;
    for v in vectors("workconn_stream").iter().filter(|v| v["wire"].is_string()) {
        let (payload, wire) = (bytes(v, "payload"), bytes(v, "wire"));
        let key = derive_key("123456");
        let iv = v["iv"].is_string().then(|| array(v, "iv"));
        let codec = || Codec::new(iv.map(|iv| (&key, iv)), true);
        let (mut ours, mut workspace, mut out) = (codec(), Workspace::default(), vec![0; 16]);
        ours.pack(&payload, &mut workspace, &mut out);
        let from = ours.encrypt(&mut out, 16);
        let packed_alike = out[from..] == wire;
        // Another encoder may find another, equally valid block; what the peer sends must decode, in any pieces.
        assert!(packed_alike || iv.is_none(), "{}", text(v, "note"));
        for step in [1, 3, wire.len()] {
            let (mut theirs, mut piece, mut back) = (codec(), Vec::new(), Vec::new());
            for part in wire.clone().chunks_mut(step) {
                let plain = theirs.decrypt(part).to_vec();
                theirs.hold(&plain);
                while theirs.unpack(&mut workspace, &mut piece).expect("a valid stream") {
                    back.extend_from_slice(&piece);
                }
            }
            assert_eq!(back, payload, "{}", text(v, "note"));
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
}
