use super::*;

/// A masked client frame of one byte flags and opcode, as it would come.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    let key = [0x11, 0xa2, 0x33, 0xc4];
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

#[test]
fn smoke() {
    let mut decoder = FrameDecoder::new();
    let mut input = client_frame(0x81, b"hello");
    let len = input.len();
    assert_eq!(decoder.decode(&mut input, 100), (len, Some(Event::Text("hello"))));
    assert_eq!(decoder.decode(&mut [], 100), (0, None));
    let input = client_frame(0x81, b"hello");
    for at in 0..input.len() - 1 {
        assert_eq!(decoder.decode(&mut [input[at]], 100), (1, None));
    }
    assert_eq!(decoder.decode(&mut [input[len - 1]], 100), (1, Some(Event::Text("hello"))));
    assert_eq!(decoder.decode(&mut [], 100), (0, None));
    assert!(decoder.is_idle());
}
