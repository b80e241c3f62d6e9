import 'package:godra/godra.dart';
import 'package:godra/testing.dart';
import 'package:test/test.dart';

/// What a game sees of a room, in order, as words.
final class Seen {
  Seen(Room room) {
    room.connection.listen((state) => words.add('$state'), onDone: () => words.add('done'));
    room.events.listen((event) => words.add('${event.type} ${event.value}'));
    room.errors.listen((error) => words.add('error ${error.code}'));
  }

  final words = <String>[];

  /// What is new since the last call.
  List<String> get taken {
    final all = [...words];
    words.clear();
    return all;
  }
}

/// What a game sees of a room from now on.
Future<Seen> watch(Room room) async {
  final seen = Seen(room);
  await VirtualClock.settle();
  return seen..taken;
}

/// An error of this code.
Matcher code(String code, {Outcome? outcome}) {
  final error = isA<GodraException>().having((e) => e.code, 'code', code);
  return outcome == null ? error : error.having((e) => e.outcome, 'outcome', outcome);
}

/// A call that fails with this code.
Matcher fails(String failure, {Outcome? outcome}) => throwsA(code(failure, outcome: outcome));

const second = Duration(seconds: 1);

Duration ms(int milliseconds) => Duration(milliseconds: milliseconds);
