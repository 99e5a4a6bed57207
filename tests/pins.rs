//! What pip installs for the checks, the tests and the examples is told by its bytes, not by its name.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

/// The lists, and how many packages each has at least.
const LISTS: [(&str, &str, usize); 4] = [
    ("scripts/tools.txt", include_str!("../scripts/tools.txt"), 9),
    ("scripts/tools-scanners.txt", include_str!("../scripts/tools-scanners.txt"), 2),
    ("scripts/tools-source.txt", include_str!("../scripts/tools-source.txt"), 1),
    (
        "examples/clients/python/requirements.txt",
        include_str!("../examples/clients/python/requirements.txt"),
        7,
    ),
];

/// What is wrong with a list: a line that is not one package at one version with hashes.
fn faults(list: &str) -> Vec<String> {
    let lines = list.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let joined = lines.replace("\\\n", " ");
    let is_pinned = |line: &&str| {
        let mut words = line.split_whitespace();
        let named = words.next().is_some_and(|word| word.split("==").count() == 2);
        let hashes: Vec<&str> = words.collect();
        let is_hash = |word: &&str| {
            word.strip_prefix("--hash=sha256:")
                .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        named && !hashes.is_empty() && hashes.iter().all(is_hash)
    };
    joined.lines().filter(|line| !line.trim().is_empty() && !is_pinned(line)).map(str::to_owned).collect()
}

#[test]
fn every_package_has_one_version_and_the_hashes_of_its_files() {
    for (name, list, least) in LISTS {
        assert_eq!(faults(list), [""; 0], "{name}");
        assert!(list.matches("==").count() >= least, "{name}");
    }
    let hash = format!("--hash=sha256:{}", "a".repeat(64));
    for bad in
        ["a==1", &format!("a {hash}"), &format!("a>=1 {hash}"), "a==1 --hash=sha256:aa", "--only-binary a"]
    {
        assert_eq!(faults(bad).len(), 1, "{bad}");
    }
    assert_eq!(faults(&format!("# a\na==1 \\\n    {hash} \\\n    {hash}\n")), [""; 0]);
}

#[test]
fn nothing_is_installed_whose_hash_is_not_in_a_list() {
    let script = include_str!("../scripts/tools").replace("\\\n", " ");
    let installs: Vec<&str> = script.lines().filter(|line| line.contains(" install --quiet")).collect();
    assert!(installs.len() >= 3, "{installs:?}");
    for line in installs {
        assert!(line.contains("--require-hashes"), "{line}");
        assert!(line.contains("--only-binary :all:") || line.contains("--no-build-isolation"), "{line}");
    }
    let node = include_str!("../examples/clients/node/package-lock.json");
    let packages = node.matches("\"node_modules/").count();
    assert_eq!(node.matches("\"integrity\": \"sha512-").count(), packages, "npm ci checks these");
}
