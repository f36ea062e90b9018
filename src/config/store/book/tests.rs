use super::*;

/// The answers of frpc 0.70.1 to the same questions.
fn refused(list: List, op: Op, name: &str, body: &str) -> String {
    match change(list, op, name, body.as_bytes()) {
        Ok((_, answer)) => String::from_utf8(answer).unwrap(),
        Err((status, text)) => format!("{status} {text}"),
    }
}

#[test]
fn definitions_are_checked_as_by_frpc() {
    let port = "400 invalid argument: validation error: localPort: localPort: port number 70000 must be in the range \
                0..65535";
    for (body, expected) in [
        ("{", "400 parse JSON error: unexpected end of JSON input"),
        ("", "400 parse JSON error: unexpected end of JSON input"),
        ("null", "400 proxy name is required"),
        ("[]", "400 parse JSON error: json: cannot unmarshal array into Go value of type model.ProxyDefinition"),
        (r#"{"type":"tcp"}"#, "400 proxy name is required"),
        (r#"{"name":"x"}"#, "400 invalid proxy type: "),
        (r#"{"name":"x","type":"TCP","TCP":{}}"#, "400 invalid proxy type: TCP"),
        (r#"{"name":"x","type":"tcp"}"#, "400 exactly one proxy type block is required"),
        (r#"{"name":"x","type":"tcp","tcp":null}"#, "400 exactly one proxy type block is required"),
        (r#"{"name":"x","type":"tcp","tcp":{},"udp":{}}"#, "400 exactly one proxy type block is required"),
        (r#"{"name":"x","type":"tcp","udp":{}}"#, r#"400 proxy type block "udp" does not match type "tcp""#),
        (r#"{"name":"x","type":"tcp","tcp":{"localPort":70000}}"#, port),
        (r#"{"name":"x","type":"tcp","tcp":{"enabled":false,"localPort":70000}}"#, port),
        (
            r#"{"name":1,"type":"tcp","tcp":{}}"#,
            "400 parse JSON error: json: cannot unmarshal number into Go struct field ProxyDefinition.name of type string",
        ),
    ] {
        assert_eq!(refused(List::Proxies, Op::Create, "", body), expected, "{body}");
    }
    let other = r#"{"name":"b","type":"tcp","tcp":{"localPort":70000}}"#;
    assert_eq!(refused(List::Proxies, Op::Update, "a", other), "400 proxy name in URL must match name in body");
    assert_eq!(
        refused(List::Visitors, Op::Create, "", r#"{"name":"v","type":"tcp"}"#),
        "400 invalid visitor type: tcp"
    );
    for broken in ["\u{0}", "tru", "{\"name\":\"x\",}", "{\"a\":1}x", &"[".repeat(100_000), &"{\"a\":".repeat(1000)] {
        assert!(refused(List::Proxies, Op::Create, "", broken).starts_with("400 parse JSON error: "), "{broken}");
    }
    assert!(change(List::Proxies, Op::Create, "", b"{\"name\":\"\xff\"}").is_err());
    for wrong in ["\"localPort\":\"22\"", "\"localPort\":1.5", "\"metadatas\":{\"a\":1}", "\"transport\":[]"] {
        let said =
            refused(List::Proxies, Op::Create, "", &format!("{{\"name\":\"x\",\"type\":\"tcp\",\"tcp\":{{{wrong}}}}}"));
        assert!(said.starts_with("400 parse JSON error: json: cannot unmarshal "), "{said}");
    }
}

#[test]
fn what_this_build_does_not_run_is_refused() {
    for (list, kind, keys) in [
        (List::Proxies, "udp", "\"localPort\":1"),
        (List::Proxies, "http", "\"localPort\":1,\"customDomains\":[\"a.b\"]"),
        (List::Visitors, "stcp", "\"serverName\":\"n\",\"bindPort\":9"),
    ] {
        let said =
            refused(list, Op::Create, "", &format!("{{\"name\":\"x\",\"type\":\"{kind}\",\"{kind}\":{{{keys}}}}}"));
        let refused =
            said.starts_with("400 invalid argument: validation error: ") && said.contains("not in this build");
        assert!(refused, "{said}");
    }
}

const FULL: &str = r#"{"name":"f","type":"tcp","tcp":{"remotePort":17950,"name":"zzz","type":"udp","enabled":true,
    "annotations":{"b":"1","a":"<"},"transport":{"useEncryption":true,"useCompression":false,"bandwidthLimit":"1MB",
    "bandwidthLimitMode":"server"},"metadatas":{},"loadBalancer":{"groupKey":"k","group":"g"},"LOCALPORT":22,"zz":1}}"#;

#[test]
fn answers_and_entries_are_frpc_s() {
    let (change, answer) = change(List::Proxies, Op::Create, "", FULL.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        "{\"name\":\"f\",\"type\":\"tcp\",\"tcp\":{\"name\":\"f\",\"type\":\"tcp\",\"enabled\":true,\"annotations\":{\"a\":\
         \"\\u003c\",\"b\":\"1\"},\"transport\":{\"useEncryption\":true,\"bandwidthLimit\":\"1MB\",\"bandwidthLimitMode\":\
         \"server\"},\"loadBalancer\":{\"group\":\"g\",\"groupKey\":\"k\"},\"healthCheck\":{\"type\":\"\",\
         \"intervalSeconds\":0},\"localPort\":22,\"plugin\":null,\"remotePort\":17950}}\n"
    );
    let small = br#"{"name":"a","type":"tcp","tcp":{"localPort":22,"remotePort":17911}}"#;
    let (small, _) = super::change(List::Proxies, Op::Create, "", small).unwrap();
    let file = small.apply(b"").unwrap();
    assert_eq!(
        core::str::from_utf8(&file).unwrap(),
        r#"{
  "proxies": [
    {
      "name": "a",
      "type": "tcp",
      "transport": {
        "bandwidthLimit": ""
      },
      "loadBalancer": {
        "group": ""
      },
      "healthCheck": {
        "type": "",
        "intervalSeconds": 0
      },
      "localPort": 22,
      "plugin": null,
      "remotePort": 17911
    }
  ]
}"#
    );
    let both = change.apply(&file).unwrap();
    let (gone, _) = super::change(List::Proxies, Op::Delete, "f", b"").unwrap();
    assert_eq!(gone.apply(&both).unwrap(), file, "what stays is not touched");
    let (gone, _) = super::change(List::Proxies, Op::Delete, "a", b"").unwrap();
    assert_eq!(gone.apply(&file).unwrap(), b"{}");
    assert_eq!(change.apply(&both).unwrap_err(), (409, "conflict: already exists: proxy \"f\"".to_owned()));
    assert_eq!(gone.apply(b"{}").unwrap_err(), (404, "not found: not found: proxy \"a\"".to_owned()));
}

#[test]
fn what_frpc_wrote_is_shown_as_frpc_shows_it() {
    let file = r#"{"visitors":[{"name":"v3","type":"xtcp","transport":{},"serverName":"n","bindPort":17963,"plugin":null}],
        "proxies":[{"name":"h","type":"http","customDomains":["a.b"],"enabled":false},
        {"name":"c","type":"stcp","plugin":{"type":"unix_domain_socket","unixPath":"/x"},"natTraversal":{},
         "healthCheck":{"httpHeaders":[{"name":"a","value":"b"}]}}]}"#;
    let shown = |list, name| String::from_utf8(show(list, name, file.as_bytes()).unwrap().unwrap()).unwrap();
    assert_eq!(
        shown(List::Visitors, None),
        "{\"visitors\":[{\"name\":\"v3\",\"type\":\"xtcp\",\"xtcp\":{\"name\":\"v3\",\"type\":\"xtcp\",\"transport\":{},\
         \"serverName\":\"n\",\"bindPort\":17963,\"plugin\":null}}]}\n"
    );
    let (c, h) = (shown(List::Proxies, Some("c")), shown(List::Proxies, Some("h")));
    assert_eq!(
        c,
        "{\"name\":\"c\",\"type\":\"stcp\",\"stcp\":{\"name\":\"c\",\"type\":\"stcp\",\"transport\":{\"bandwidthLimit\":\"\"},\
         \"loadBalancer\":{\"group\":\"\"},\"healthCheck\":{\"type\":\"\",\"intervalSeconds\":0,\"httpHeaders\":[{\"name\":\
         \"a\",\"value\":\"b\"}]},\"plugin\":{\"type\":\"unix_domain_socket\",\"unixPath\":\"/x\"}}}\n"
    );
    assert!(h.contains("\"enabled\":false") && h.ends_with("\"requestHeaders\":{},\"responseHeaders\":{}}}\n"), "{h}");
    assert_eq!(shown(List::Proxies, None), format!("{{\"proxies\":[{},{}]}}\n", c.trim_end(), h.trim_end()));
    assert_eq!(show(List::Proxies, Some("none"), file.as_bytes()), Ok(None));
}

#[test]
fn a_file_that_is_no_good_or_too_large_is_said() {
    let (create, _) = change(List::Proxies, Op::Create, "", FULL.as_bytes()).unwrap();
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(MAX_STORE));
    let almost = format!("{{\"x\":\"{}\"}}", "y".repeat(MAX_STORE - 100));
    for file in ["{", "[]", "{\"proxies\":{}}", "{\"proxies\":[1,]}", "\u{feff}{}", &large] {
        assert_eq!(create.apply(file.as_bytes()).unwrap_err().0, 500);
        assert_eq!(show(List::Proxies, None, file.as_bytes()).unwrap_err().0, 500);
    }
    assert!(create.apply(almost.as_bytes()).unwrap_err().1.contains("would be larger than"));
    assert_eq!(show(List::Proxies, None, b"{\"proxies\":[1]}").unwrap_err().0, 500);
    assert_eq!(create.apply(b"\xff").unwrap_err().0, 500);
}
