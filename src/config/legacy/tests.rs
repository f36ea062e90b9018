use super::*;
use crate::config::scope::Report;
use crate::config::{Loaded, Loader, Purpose};

fn verified(text: &str) -> Result<Loaded, Vec<crate::config::Finding>> {
    Loader { purpose: Purpose::Verify, ..Loader::default() }.parse("frpc.ini", text)
}

fn tree(text: &str) -> Result<String, String> {
    let source = Source::new(text.to_owned(), 0);
    let mut report = Report::new("frpc.ini", Loader::default(), crate::config::Files::direct());
    let entries = convert(&source, &source, &mut report, &mut Budget::new()).map_err(|e| e.text)?;
    Ok(shown(&entries))
}

fn shown(entries: &[Entry]) -> String {
    let value = |node: &Node| match &node.value {
        Value::Table(entries) => format!("{{{}}}", shown(entries)),
        Value::Text(text) => text.clone(),
        Value::List(list) => {
            let all: Vec<String> = list
                .iter()
                .map(|n| match &n.value {
                    Value::Text(t) => t.clone(),
                    Value::Table(e) => format!("{{{}}}", shown(e)),
                    _ => String::new(),
                })
                .collect();
            format!("[{}]", all.join("|"))
        }
        Value::Integer(n) => n.to_string(),
        Value::Flag(flag) => flag.to_string(),
        _ => String::new(),
    };
    entries.iter().map(|e| format!("{}={}", e.key, value(&e.node))).collect::<Vec<_>>().join(" ")
}

#[test]
fn detection_is_frpcs() {
    let legacy = |text: &str| is_legacy(&Source::new(text.to_owned(), 0));
    assert!(legacy("[common]\nserver_addr = x\n[a]"));
    assert!(legacy("\u{feff}[common]"));
    assert!(legacy("# c\n; d\n[[a]]\nx: y\n[common] # z"));
    assert!(!legacy("[common]\nbare"));
    assert!(!legacy("[common]\n{{ range x }}"));
    assert!(!legacy("[server]\na = 1"));
    assert!(!legacy("[common"));
    assert!(!legacy("[common]\n= 1"));
}

#[test]
fn values_are_read_as_frpc_reads_them() {
    let text = "[common]\nserver_addr = \"a b\"\ntoken = a#b;c\nserver_port = 0x10\npool_count = abc\ntls_enable = off\n\
        tcp_mux = maybe\nuser : 'u'\nmeta_A = %(user)s\nlog_file = `x\ny`\nprotocol = k\\\n  cp\n\
        authenticate_heartbeats = yes\nauthenticate_new_work_conns = 1\nstart = a, b\\,c,,\ndns_server = %(user)s.x";
    assert_eq!(
        tree(text).unwrap(),
        "serverAddr=a b serverPort=16 user=u dnsServer=u.x start=[a|b,c|] \
         auth={additionalScopes=[HeartBeats|NewWorkConns] token=a#b;c} log={to=x\ny} \
         transport={protocol=kcp tls={enable=false}} metadatas={A=%(user)s}"
    );
}

#[test]
fn sections_become_proxies_and_visitors() {
    let text = "[common]\nserver_addr = x\n[DEFAULT]\nq = 1\n[a]\nlocal_port = 80\nremote_port = 010\nnonsense = 1\n\
        [a.b]\ntype = tcp\nremote_port = 9\n[a]\nlocal_port = 81\n\
        [range: g ]\ntype = udp\nlocal_port = 1-2,5\nremote_port = 11-13\nmeta_k = v\n\
        [w]\ntype = http\nheader_X-Y = z\nplugin = https2http\nplugin_crt_path = c\nplugin_header_A = b\nplugin_unix_path = no\n\
        [v]\nrole = visitor\ntype = xtcp\nserver_name = s\nbind_port = -1\nmax_retries_an_hour = 0\nfallback_timeout_ms = 5";
    assert_eq!(
        tree(text).unwrap(),
        "serverAddr=x proxies=[{name=a type=tcp localPort=81 remotePort=8}|\
         {name=a.b type=tcp localPort=81 remotePort=9}|\
         {name=w type=http requestHeaders={set={X-Y=z}} plugin={type=https2http requestHeaders={set={A=b}} crtPath=c}}|\
         {name=g_0 type=udp localPort=1 remotePort=11 metadatas={k=v}}|\
         {name=g_1 type=udp localPort=2 remotePort=12 metadatas={k=v}}|\
         {name=g_2 type=udp localPort=5 remotePort=13 metadatas={k=v}}] \
         visitors=[{name=v type=xtcp serverName=s bindPort=-1 fallbackTimeoutMs=5}]"
    );
}

#[test]
fn mistakes_have_frpcs_words() {
    let table = [
        ("[a]\ntype = x", "failed to parse proxy a, err: invalid type [x]"),
        ("[a]\nrole = visitor", "failed to parse visitor a, err: type shouldn't be empty"),
        ("[a]\nrole = visitor\ntype = tcp", "failed to parse visitor a, err: type [tcp] error"),
        ("[a]\nrole = x", "proxy a role should be 'server' or 'visitor'"),
        ("[range:a]", "failed to render template for proxy range:a: local_port or remote_port is empty"),
        (
            "[range:a]\nlocal_port = 1-2\nremote_port = 3",
            "failed to render template for proxy range:a: local ports number should be same with remote ports number",
        ),
        (
            "[range:a]\nlocal_port = 2-1\nremote_port = 3",
            "failed to render template for proxy range:a: range number is invalid",
        ),
        ("[range:a]\nlocal_port = 1-9999999\nremote_port = 1-9999999", "more than 200000 values"),
        ("[]", "ini: empty section name"),
        ("a = `x", "ini: missing closing key quote from \"`x\""),
        ("[common]\nuser = %(a)s\na = %(b)s%(b)s\nb = %(a)s%(a)s", "ini: the value of user is too long"),
    ];
    for (text, error) in table {
        assert_eq!(tree(&format!("[common]\n{text}")), Err(error.to_owned()), "{text}");
    }
    assert!(tree("[common]\nstart = b\n[a]\ntype = x").is_ok(), "what is not started is not looked at");
}

#[test]
fn oddities_are_told() {
    let text =
        "[common]\nserver_port = abc\ntcp_mux = x\nfoo = 1\nmeta_x = 1\n[a]\nlocal_port = 1\nremote_port = 2\n[a]\n";
    let Loaded { config, warnings } = verified(text).unwrap();
    assert_eq!((config.server_port, config.proxies.len()), (7000, 1));
    let said: Vec<String> = warnings.iter().map(|f| format!("{} {}: {}", f.line, f.key, f.text)).collect();
    for wanted in [
        "1 : INI is deprecated upstream; the newer formats, TOML first, offer more options",
        "2 common.server_port: \"abc\" is no number: it is ignored",
        "3 common.tcp_mux: \"x\" is no boolean: it is ignored",
        "4 common.foo: \"foo\" is ignored by the INI format",
        "6 a: without \"type\" the proxy works as tcp; frpc's \"status\" does not show such proxies",
        "9 a: section [a] appears twice and is merged; proxy names must be unique",
    ] {
        assert!(said.iter().any(|s| s == wanted), "{wanted}: {said:#?}");
    }
}
