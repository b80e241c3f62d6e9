@Tags(['server'])
library;

import 'dart:io';

import 'package:test/test.dart';

import 'harness/godra_server.dart';

/// What the documentation shows, as it stands.
void main() {
  final blocks = [
    for (final match in RegExp(r'```dart\n(.*?)```', dotAll: true).allMatches(File('README.md').readAsStringSync())) match.group(1)!.trimRight(),
  ];

  Future<ProcessResult> run(String program, [List<String> arguments = const []]) => Process.run(
        Platform.resolvedExecutable,
        ['--packages=${Platform.packageConfig ?? 'test/packages.json'}', program, ...arguments],
      ).timeout(const Duration(seconds: 100));

  Future<String> write(String code) async {
    final folder = await Directory.systemTemp.createTemp('godra-readme-');
    addTearDown(() => folder.delete(recursive: true));
    final program = File('${folder.path}/program.dart');
    await program.writeAsString(code);
    return program.path;
  }

  Future<GodraServer> serve() async {
    final server = await GodraServer.start();
    addTearDown(server.stop);
    return server;
  }

  test('the quickstart of the README: two players see each other, in less than 20 lines', () async {
    expect(blocks.first.split('\n').length, lessThan(20));
    final ended = await run(await write(blocks.first), [(await serve()).url]);
    expect([ended.stdout, ended.exitCode], ['Bob sees Ann at 3.0, 4.5\n', 0], reason: '${ended.stderr}');
  });

  test('the example', () async {
    final ended = await run('example/main.dart', [(await serve()).url]);
    expect(ended.exitCode, 0, reason: '${ended.stderr}');
    expect(ended.stdout, contains('joined lobby'));
    expect(ended.stdout, contains('they say: hello'));
    expect(ended.stdout, contains('over: left'));
  });

  test('the code of the README for Flutter and Flame has the right types', () async {
    final shown = blocks.where((block) => block.contains('extends FlameGame') || block.contains('extends State<')).toList();
    expect(shown, hasLength(2));
    final ended = await run(await write("import '${File('test/stubs/flutter.dart').absolute.path}';\n${shown.join('\n')}\nvoid main() {}"));
    expect(ended.exitCode, 0, reason: '${ended.stderr}');
  });

  test('the code of the README for errors and tests does what it says', () async {
    final errors = blocks.singleWhere((block) => block.contains('String explain('));
    final tested = blocks.singleWhere((block) => block.startsWith("test('"));
    const game = '''
final class Game {
  Game(this.room) {
    room.on('jumped').listen((_) => jumps++);
    room.connection.listen((state) => banner = state is Joined ? '' : 'lost');
  }
  final Room room;
  int jumps = 0;
  String banner = '';
  void jump() => room.request('jump', null).ignore();
}
''';
    const imports = "import 'package:godra/godra.dart';\nimport 'package:godra/testing.dart';\nimport 'package:test/test.dart';\n";
    final ended = await run(await write('$imports$game$errors\nvoid main() {\n$tested\nexplain(const NetworkException(\'timeout\', \'\'));\n}'));
    expect(ended.exitCode, 0, reason: '${ended.stdout}${ended.stderr}');
    expect(ended.stdout, contains('1 passed, 0 failed'));
  });
}
