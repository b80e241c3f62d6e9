/// For tests of games: a room whose server is the test, and a clock that goes when it is told to.
///
/// Begin with [FakeRoom].
library;

export 'src/testing/bad_network.dart';
export 'src/testing/fake_link.dart' show FakeInput;
export 'src/testing/fake_room.dart';
export 'src/testing/virtual_clock.dart';
