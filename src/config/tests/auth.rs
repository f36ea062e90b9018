use super::super::{Loader, Purpose, Secret};
use super::frpc::agree;

const METHOD: &str = "auth.method = \"oidc\"\n";

#[test]
fn credentials_are_checked_as_frpc_does() {
    let url = |url: &str| format!("{METHOD}auth.oidc = {{ clientID = \"c\", tokenEndpointURL = \"{url}\" }}");
    let with =
        |more: &str| format!("{METHOD}auth.oidc = {{ clientID = \"c\", tokenEndpointURL = \"https://h/t\", {more} }}");
    let absolute = "auth.oidc.tokenEndpointURL must be an absolute http or https URL";
    let both = "cannot specify both auth.oidc.tokenSource and any other field of auth.oidc";
    let source = "tokenSource = { type = \"file\", file = { path = \"/x\" } }";
    agree(
        [
            (METHOD.to_owned(), "auth.oidc.clientID is required"),
            (METHOD.to_owned(), "auth.oidc.tokenEndpointURL is required"),
            (url("https://h/t"), ""),
            (url("HTTP://u:p@[::1]:80/%20?a b"), ""),
            (url("http://:80"), ""),
            (url("/t"), absolute),
            (url("http:h"), absolute),
            (url("http:///t"), absolute),
            (url("http://h:1x/"), absolute),
            (url("http://a b/"), absolute),
            (url("http://h/%zz"), absolute),
            (url("://h"), absolute),
            (url("1http://h"), absolute),
            (url("http://[::1/"), absolute),
            (url("http://h/\\u0001"), absolute),
            (url("ftp://h/t"), "auth.oidc.tokenEndpointURL must use http or https"),
            (with("additionalEndpointParams = { audience = \"a\", resource = \"r\" }"), ""),
            (
                with("audience = \"b\", additionalEndpointParams = { audience = \"a\" }"),
                "cannot specify both auth.oidc.audience and auth.oidc.additionalEndpointParams.audience",
            ),
            (
                with("additionalEndpointParams = { scope = \"a\" }"),
                "auth.oidc.additionalEndpointParams.scope is not allowed; use auth.oidc.scope instead",
            ),
            (with(source), both),
            (format!("auth.oidc = {{ insecureSkipVerify = true, {source} }}"), both),
            (format!("{METHOD}auth.oidc = {{ {source} }}"), ""),
            ("auth.oidc.clientID = \"c\"".to_owned(), ""),
            (format!("{METHOD}auth.oidc = {{ tokenSource = {{ }} }}"), "invalid auth.oidc.tokenSource: unsupported"),
            ("auth.oidc.clientid = 1".to_owned(), "cannot unmarshal number into"),
            ("auth.oidc.secret = \"\"".to_owned(), "unknown field \"secret\""),
        ]
        .map(|(text, said)| (text, said)),
    );
}

#[test]
fn sources_are_checked_as_frpc_does() {
    let unsafe_feature = "unsafe feature \"TokenSourceExec\" is not enabled. To enable it, ensure it is allowed in the \
                          configuration or command line flags";
    let row = |keys: &str| format!("auth.tokenSource = {{ {keys} }}");
    agree([
        (row("type = \"file\", file.path = \"/no/such\""), ""),
        (row("type = \"file\", file.path = \"/x\", exec = { command = \"\" }"), ""),
        (row("type = \"file\""), "invalid auth.tokenSource: file configuration is required when type is 'file'"),
        (row("type = \"file\", file = {}"), "invalid auth.tokenSource: file path cannot be empty"),
        (row(""), "invalid auth.tokenSource: unsupported value source type:  (only 'file' and 'exec' are supported)"),
        (row("type = \"exec\""), "invalid auth.tokenSource: exec configuration is required when type is 'exec'"),
        (row("type = \"exec\", exec = {}"), "invalid auth.tokenSource: exec command cannot be empty"),
        (row("type = \"exec\", exec.command = \"c\""), unsafe_feature),
        (
            row("type = \"exec\", exec = { command = \"c\", env = [{ value = \"v\" }] }"),
            "invalid auth.tokenSource: exec env name cannot be empty",
        ),
        (
            row("type = \"exec\", exec = { command = \"c\", env = [{ name = \"a=b\" }] }"),
            "invalid auth.tokenSource: exec env name cannot contain '='",
        ),
        (row("type = \"file\", file = { path = \"/x\", mode = 1 }"), "unknown field \"mode\""),
        (
            format!("auth.token = \"t\"\n{}", row("type = \"file\", file.path = \"/x\"")),
            "cannot specify both auth.token and auth.tokenSource",
        ),
        ("auth.method = \"Token\"".to_owned(), "invalid auth method, optional values are [token oidc]"),
        (
            "auth.additionalScopes = [\"heartbeats\"]".to_owned(),
            "invalid auth additional scopes, optional values are [HeartBeats NewWorkConns]",
        ),
    ]);
}

#[test]
fn sources_arrive_and_are_not_read() {
    let text = "auth.method = \"oidc\"\n[auth.oidc.tokenSource]\ntype = \"exec\"\n[auth.oidc.tokenSource.exec]\n\
                command = \"/bin/cat\"\nargs = [\"a\", \"b\"]\nenv = [{ name = \"K\", value = \"v\" }]";
    let loader = Loader { purpose: Purpose::Verify, allow_exec: true, ..Loader::default() };
    let auth = loader.parse("f", text).unwrap().config.auth;
    let Some(Secret::Exec(command)) = auth.oidc.unwrap().source else { panic!("no command") };
    assert_eq!((command.command.as_str(), command.args.len()), ("/bin/cat", 2));
    assert_eq!(command.env, [("K".to_owned(), "v".to_owned())]);
    let file = "auth.tokenSource = { type = \"file\", file.path = \"/no/such\" }";
    let auth = loader.parse("f", file).unwrap().config.auth;
    assert!(auth.source == Secret::File("/no/such".to_owned()) && auth.token.is_empty());
    assert!(loader.parse("f", file).is_ok() && Loader::default().parse("f", file).is_ok());
}
