use super::*;

#[test]
fn files_are_found_in_frpcs_order() {
    let dir = std::env::temp_dir().join(format!("redial-fleet-{}", std::process::id()));
    let deep = dir.join("m/n");
    fs::create_dir_all(&deep).unwrap();
    for file in ["z.toml", "a.toml", "m/b.ini", "m/n/.hidden"] {
        fs::write(dir.join(file), "").unwrap();
    }
    std::os::unix::fs::symlink("nowhere", dir.join("lost")).unwrap();
    let found = |deep: usize| {
        let mut out = Vec::new();
        collect(&dir, deep, &mut out);
        out.iter().map(|path| path.strip_prefix(&dir).unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(DEEP), ["a.toml", "lost", "m/b.ini", "m/n/.hidden", "z.toml"]);
    assert_eq!(found(2), ["a.toml", "lost", "m/b.ini", "z.toml"]);
    for n in 0..MOST + 20 {
        fs::write(deep.join(n.to_string()), "").unwrap();
    }
    assert_eq!(found(DEEP).len(), MOST + 1, "one more, so that it can be said");
    fs::remove_dir_all(&dir).unwrap();
    assert!(found(DEEP).is_empty());
}
