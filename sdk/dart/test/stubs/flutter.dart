// Just enough of Flutter and Flame to check the types of what the README shows. Never run.
// ignore_for_file: public_member_api_docs

export 'package:godra/godra.dart';

/// Of Flutter's own async.dart: a name that games have in scope.
enum ConnectionState { none, waiting, active, done }

enum AppLifecycleState { resumed, paused }

class Key {}

class BuildContext {}

class Widget {
  const Widget({Key? key});
}

abstract class StatefulWidget extends Widget {
  const StatefulWidget({super.key});

  State<StatefulWidget> createState();
}

abstract class State<T extends StatefulWidget> {
  T get widget => throw UnimplementedError();

  void initState() {}
  void dispose() {}
  Widget build(BuildContext context);
}

mixin WidgetsBindingObserver {
  void didChangeAppLifecycleState(AppLifecycleState state) {}
}

class WidgetsBinding {
  static WidgetsBinding get instance => WidgetsBinding();

  void addObserver(WidgetsBindingObserver observer) {}
  void removeObserver(WidgetsBindingObserver observer) {}
}

class Text extends Widget {
  const Text(String text);
}

class Column extends Widget {
  const Column({required List<Widget> children});
}

class AsyncSnapshot<T> {
  T? get data => null;
}

class StreamBuilder<T> extends Widget {
  const StreamBuilder({required Stream<T> stream, required Widget Function(BuildContext, AsyncSnapshot<T>) builder, T? initialData});
}

class Ghost {
  void moveTo(double x, double y) {}
}

class Position {
  double x = 0;
  double y = 0;
}

class FlameGame {
  final player = Position();
  final ghosts = <String, Ghost>{};

  void update(double dt) {}
}
