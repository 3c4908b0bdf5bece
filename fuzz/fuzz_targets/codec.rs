#![no_main]

use bellwether::fuzzing;

// What is stored comes from outside: a few bytes must not be able to ask for much memory. A field
// of eight bytes takes a slot of a table, which is rounded up; copies of the input add the rest.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let used = allocation_counter::measure(|| fuzzing::codec_reads(bytes));
    let most = 4_096 + 64 * bytes.len() as u64;
    assert!(
        used.bytes_max <= most,
        "{} bytes of memory for {}",
        used.bytes_max,
        bytes.len()
    );
    fuzzing::codec(bytes);
});
