use super::*;

#[test]
fn smoke() {
    let mut decoder = RequestDecoder::new();
    let input = b"POST /a?b=c+d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET";
    let (consumed, decoded) = decoder.decode(input, &Limits::default());
    assert_eq!(consumed, input.len() - 3);
    let Decoded::Request(request) = decoded else { panic!("{decoded:?}") };
    assert_eq!(request.body, b"abc");
    assert_eq!(request.query_parameter("b").as_deref(), Some("c d"));
}
