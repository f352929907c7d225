//! Compiles the crate again when a migration is added: the embedded list does not notice new folders by itself.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
