// As much of Godot's C# API as GodraNode needs to compile. It does nothing.
using System;

namespace Godot
{
    [AttributeUsage(AttributeTargets.Delegate)]
    public sealed class SignalAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
    public sealed class ExportAttribute : Attribute { }

    public enum Error { Ok }

    public sealed class StringName
    {
        public static implicit operator StringName(string text) => new();
    }

    public readonly struct Variant
    {
        public static implicit operator Variant(bool value) => default;
        public static implicit operator Variant(int value) => default;
        public static implicit operator Variant(double value) => default;
        public static implicit operator Variant(string value) => default;
    }

    public class GodotObject
    {
        public Error EmitSignal(StringName signal, params Variant[] args) => Error.Ok;
        public virtual void _Notification(int what) { }
    }

    public class Node : GodotObject
    {
        public const long NotificationApplicationResumed = 2014;

        public enum ProcessModeEnum : long { Inherit, Pausable, WhenPaused, Always, Disabled }

        public ProcessModeEnum ProcessMode { get; set; }
        public virtual void _Ready() { }
        public virtual void _Process(double delta) { }
        public virtual void _ExitTree() { }
    }

    public static class ProjectSettings
    {
        public static string GlobalizePath(string path) => path;
    }

    public static class GD
    {
        public static void PushError(string message) { }
        public static void PushWarning(string message) { }
    }
}
