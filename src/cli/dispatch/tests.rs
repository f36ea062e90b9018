use super::*;

#[test]
fn the_program_has_the_name_it_was_called_by() {
    let named = |name: &str| program(Some(OsString::from(name)));
    assert_eq!(named("/usr/bin/frpc"), "frpc");
    assert_eq!(named("./redial-0.1.0"), "redial-0.1.0");
    for odd in ["", "/", "a b", "$(x)", "-sh", "é"] {
        assert_eq!(named(odd), "redial", "{odd}");
    }
    assert_eq!(program(None), "redial");
}

#[test]
fn words_lead_to_commands() {
    let found = |words: &[&str]| {
        let (path, lost) = path(words);
        (path.len(), lost.map(str::to_owned))
    };
    assert_eq!(found(&[]), (1, None));
    assert_eq!(found(&["stcp", "visitor"]), (3, None));
    assert_eq!(found(&["tcp", "visitor"]), (2, Some("visitor".to_owned())));
}
