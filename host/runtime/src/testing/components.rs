//! Components in text: a plugin with one pipeline whose body a test writes.

/// A manifest that fits [`component`].
pub(crate) const MANIFEST: &str = r#"{"contract": "0.1.0", "name": "p", "version": "1.0.0",
    "datasets": [{"name": "p.d", "columns": [{"name": "k", "type": "utf8"}], "key": ["k"], "partition_by": ["k"]}],
    "pipelines": [{"name": "p.run", "outputs": ["p.d"]}]}"#;

/// A component that exports `plugin` and `pipeline`. `body` is the core code of `run`: it leaves the address of a
/// `result<string, error>`, where `$ok` is one that holds `{}`.
pub(crate) fn component(manifest: &str, body: &str) -> Vec<u8> {
    wat::parse_str(component_text(manifest, "", "", body)).unwrap()
}

/// The text behind [`component`]. `imports` are component-level imports and lowered functions, `core_imports` how the
/// core module takes them in (and what it is given must be called `$env`, if there are any).
pub(crate) fn component_text(manifest: &str, imports: &str, core_imports: &str, body: &str) -> String {
    let with = if core_imports.is_empty() { "" } else { r#"(with "env" (instance $env))"# };
    let length = manifest.len();
    let manifest: String = manifest.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"(component
  (core module $memory
    (memory (export "memory") 1)
    (global $end (mut i32) (i32.const 32768))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $end)
      (global.set $end (i32.and (i32.add (i32.add (global.get $end) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  {imports}
  (core module $code
    (import "memory" "memory" (memory 1))
    {core_imports}
    (data (i32.const 4096) "{manifest}")
    (data (i32.const 1024) "\7b\7d")
    (func (export "describe") (result i32)
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 4096))
      (i32.store (i32.const 8) (i32.const {length}))
      (i32.const 0))
    (func $ok (result i32)
      (i32.store (i32.const 64) (i32.const 0))
      (i32.store (i32.const 72) (i32.const 1024))
      (i32.store (i32.const 76) (i32.const 2))
      (i32.const 64))
    (func $run (export "run") (param $name i32) (param $name_length i32) (result i32)
      {body}))
  (core instance $code (instantiate $code (with "memory" (instance $memory)) {with}))
  (type $error (record (field "kind" string) (field "code" string) (field "message" string)
    (field "retryable" (option bool)) (field "retry-after-ms" (option u64))
    (field "details" (list (tuple string string)))))
  (func $describe (result (result string (error string)))
    (canon lift (core func $code "describe") (memory $mem)))
  (instance $plugin (export "describe" (func $describe)))
  (export "spine:plugin/plugin@0.1.0" (instance $plugin))
  (func $run (param "pipeline" string) (result (result string (error $error)))
    (canon lift (core func $code "run") (memory $mem) (realloc $realloc)))
  (component $pipeline
    (type $error' (record (field "kind" string) (field "code" string) (field "message" string)
      (field "retryable" (option bool)) (field "retry-after-ms" (option u64))
      (field "details" (list (tuple string string)))))
    (import "error" (type $imported (eq $error')))
    (import "run" (func $run (param "pipeline" string) (result (result string (error $imported)))))
    (export $exported "error" (type $error'))
    (export "run" (func $run) (func (param "pipeline" string) (result (result string (error $exported))))))
  (instance $pipeline (instantiate $pipeline (with "error" (type $error)) (with "run" (func $run))))
  (export "spine:plugin/pipeline@0.1.0" (instance $pipeline)))"#
    )
}
