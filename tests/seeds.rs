//! Replays what fuzzing has kept (`tests/fuzz/seeds`), so that neither the targets nor the fixes rot.

#[path = "fuzz/targets.rs"]
mod targets;

#[test]
fn seeds_keep_all_promises() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    for (name, target) in targets::ALL {
        let mut count = 0;
        for file in std::fs::read_dir(seeds.join(name)).unwrap() {
            let path = file.unwrap().path();
            // A failure says which.
            println!("{}", path.display());
            target(&std::fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 3, "{name} has {count} seeds");
    }
}
