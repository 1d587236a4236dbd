//! The charts hold the same CRDs as the folder `crds`.

use std::fs;
use std::path::Path;

#[test]
fn the_chart_has_the_generated_crds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, yaml) in crds::generated_files() {
        let path = root
            .join("charts/reconciliation-platform-crds/templates")
            .join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == yaml,
            "{} is out of date: run `make generate`",
            path.display()
        );
        assert!(!yaml.contains("{{"), "Helm would read {name} as a template");
    }
}
